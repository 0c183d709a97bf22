/// The other engines' side of a comparison: a Python program that speaks the protocol of `EngineTask`. It is part of
/// the program, so that an installed one needs no file beside it.
public let foreignEngineScript = #"""
  import gc, json, os, sys, time

  # What libraries print must not come between the replies.
  channel = os.fdopen(os.dup(1), "w")
  os.dup2(2, 1)


  def say(**reply):
      channel.write(json.dumps(reply) + "\n")
      channel.flush()


  def resident(key):
      with open("/proc/self/status") as status:
          for line in status:
              if line.startswith(key + ":"):
                  return int(line.split()[1]) * 1024
      return 0


  class ONNXRuntime:
      def __init__(self):
          import onnxruntime
          self.module = onnxruntime
          self.version = onnxruntime.__version__

      def load(self, model, threads, inputs):
          module = self.module
          module.set_default_logger_severity(3)
          options = module.SessionOptions()
          options.intra_op_num_threads = threads
          options.inter_op_num_threads = 1
          options.execution_mode = module.ExecutionMode.ORT_SEQUENTIAL
          # Its waiting threads would take the processor from whoever measures next.
          options.add_session_config_entry("session.force_spinning_stop", "1")
          self.session = module.InferenceSession(model, options, providers=["CPUExecutionProvider"])
          self.names = [output.name for output in self.session.get_outputs()]
          # Its own values: neither inputs nor outputs are copied.
          self.inputs = {name: module.OrtValue.ortvalue_from_numpy(array) for name, array in inputs.items()}

      def run(self):
          self.results = self.session.run_with_ort_values(self.names, self.inputs)

      def outputs(self):
          return [(name, value.numpy()) for name, value in zip(self.names, self.results)]


  class OpenVINO:
      def __init__(self):
          import openvino
          self.module = openvino
          self.version = openvino.__version__.split("-")[0]

      def load(self, model, threads, inputs):
          core = self.module.Core()
          network = core.read_model(model)
          # As we do, it may plan for the sizes that will come.
          network.reshape({name: self.module.PartialShape(array.shape) for name, array in inputs.items()})
          compiled = core.compile_model(network, "CPU", {
              "PERFORMANCE_HINT": "LATENCY",
              "INFERENCE_NUM_THREADS": threads,
              "INFERENCE_PRECISION_HINT": "f32",
              "NUM_STREAMS": 1,
          })
          self.compiled = compiled
          self.request = compiled.create_infer_request()
          for name, array in inputs.items():
              self.request.set_tensor(name, self.module.Tensor(array, shared_memory=True))

      def run(self):
          self.request.infer()

      def outputs(self):
          return [
              (next(iter(port.get_names()), f"output {index}"), self.request.get_output_tensor(index).data)
              for index, port in enumerate(self.compiled.outputs)
          ]


  def main():
      task = json.loads(sys.stdin.readline())
      os.sched_setaffinity(0, task["processors"])
      try:
          import numpy
          engine = {"onnxruntime": ONNXRuntime, "openvino": OpenVINO}[task["engine"]]()
      except ImportError as error:
          return say(error=f"{error}", isMissing=True)
      gc.disable()
      try:
          inputs = {
              item["name"]: numpy.fromfile(item["file"], dtype=item["element"]).reshape(item["shape"])
              for item in task["inputs"]
          }
          before = resident("VmRSS")
          start = time.perf_counter()
          engine.load(task["model"], task["threads"], inputs)
          say(version=engine.version, load=(time.perf_counter() - start) * 1e3, resident=before)
          for line in sys.stdin:
              words = line.split(maxsplit=1)
              if words[0] == "run":
                  times = []
                  for _ in range(int(words[1])):
                      start = time.perf_counter()
                      engine.run()
                      times.append((time.perf_counter() - start) * 1e3)
                  say(times=times)
              elif words[0] == "memory":
                  say(peak=resident("VmHWM"))
              elif words[0] == "outputs":
                  found = []
                  for index, (name, array) in enumerate(engine.outputs()):
                      path = os.path.join(words[1].rstrip("\n"), f"{task['engine']}-{index}")
                      array = numpy.ascontiguousarray(array)
                      array.tofile(path)
                      found.append(dict(name=name, element=str(array.dtype), shape=list(array.shape), file=path))
                  say(outputs=found)
              else:
                  return
      except Exception as error:
          say(error=f"{type(error).__name__}: {error}")


  main()
  """#
