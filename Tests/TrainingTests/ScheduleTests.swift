import GraphIR
import Operators
import TensorCore
import TestSupport
import Testing
import Training

@Suite("Learning rates") struct ScheduleTests {
  private typealias Schedule = LearningRateSchedule

  /// Numbers by mmcv's formulas, computed elsewhere in double precision.
  private static let cases: [(schedule: Schedule, base: Double, rates: [Int: Double])] = [
    (.fixed, 0.3, [0: 0.3, 1_000_000: 0.3]),
    (
      Schedule(.poly(power: 0.9, length: 1200), minimum: 1e-7), 0.007,
      [
        0: 0.007, 1: 0.006994749856186256, 600: 0.003751253530203899, 1199: 1.195301173359036e-05, 1200: 1e-7,
        5000: 1e-7,
      ]
    ),
    (
      Schedule(.cosine(length: 10), minimum: 0.001), 0.1,
      [0: 0.1, 3: 0.07959536998847742, 10: 0.001, 11: 0.001]
    ),
    (
      Schedule(.step(milestones: [3, 4])), 1,
      [0: 1, 2: 1, 3: 0.1, 4: 0.01, 9: 0.01]
    ),
    (Schedule(.step(milestones: [1, 2, 3]), minimum: 0.05), 1, [0: 1, 1: 0.1, 2: 0.05, 7: 0.05]),
    (Schedule(.every(interval: 2, gamma: 0.5), stepsPerEpoch: 10), 1, [0: 1, 19: 1, 20: 0.5, 39: 0.5, 40: 0.25]),
    (Schedule(.step(milestones: []), stepsPerEpoch: 7), 1, [0: 1, 100: 1]),
    warm(.constant, [0: 0.05, 2: 0.05, 4: 0.03828125, 5: 0.153125]),
    warm(.linear, [0: 0.05, 2: 0.11, 4: 0.13015625, 5: 0.153125]),
    warm(.exp, [0: 0.05, 2: 0.08705505632961241, 4: 0.11604704962345237, 5: 0.153125]),
  ]

  private static func warm(_ warmup: Schedule.Warmup, _ rates: [Int: Double]) -> (Schedule, Double, [Int: Double]) {
    let schedule = Schedule(
      .poly(power: 2, length: 8), stepsPerEpoch: 3, warmup: warmup, warmupLength: 5, warmupRatio: 0.25)
    return (schedule, 0.2, rates)
  }

  @Test("formulas", arguments: cases.indices) func formulas(_ index: Int) throws {
    let (schedule, base, rates) = ScheduleTests.cases[index]
    for (step, rate) in rates { #expect(abs(schedule.rate(base: base, step: step) - rate) < 1e-12, "step \(step)") }
    let op = try LearningRate(base: 0.2, schedule: schedule)
    let again = try #require(try OperatorSet.standard.decode(op.name, op.attributes) as? LearningRate)
    #expect(again.schedule == schedule && again.base == 0.2)
  }

  @Test("steps follow the schedule") func steps() throws {
    let objective = try linearObjective([("w", Tensor(zeros: .float32, [1]))])
    let schedule = Schedule(.step(milestones: [1, 2], gamma: 0.5), stepsPerEpoch: 2)
    let trainer = try Trainer(
      TrainingGraph(objective, optimizer: .sgd(learningRate: 1), schedule: schedule), options: .init(threads: 1))
    let rates = try (0..<6).map { _ in try trainer.step(["d.w": Tensor([1] as [Float], [1])]).learningRate }
    #expect(rates == [1, 1, 0.5, 0.5, 0.25, 0.25])
    #expect(try trainer.state(named: "w").floats() == [-3.5])
  }

  @Test("numbers without meaning are refused") func refused() throws {
    let schedules = [
      Schedule(.poly(power: 1, length: 0)), Schedule(.poly(power: .nan, length: 3)), Schedule(.cosine(length: -1)),
      Schedule(.every(interval: 0)), Schedule(.step(milestones: [3, 1])), Schedule(minimum: -1),
      Schedule(stepsPerEpoch: 0), Schedule(warmup: .linear), Schedule(warmup: .exp, warmupLength: 3, warmupRatio: 0),
    ]
    for schedule in schedules {
      #expect(throws: LigatureError.self, "\(schedule)") { try LearningRate(base: 1, schedule: schedule) }
    }
  }
}
