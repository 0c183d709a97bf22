import ArgumentParser
import FoundationEssentials
import Glibc
import TensorCore

@main
struct Ligature: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ligature",
    abstract: "Runs OCR models from portable ONNX graphs: reads images, inspects, verifies and times graphs.",
    discussion: """
      Exit codes: 0 everything went well; 1 a check did not hold (verify past its tolerance) or some of several \
      images could not be read; 2 a file or model could not be used; 64 the command line is wrong.

      Shell completion: ligature --generate-completion-script bash|zsh|fish
      """,
    version: "0.1.0",
    subcommands: [
      ReadCommand.self,
      InspectCommand.self,
      OptimizeCommand.self,
      RunCommand.self,
      VerifyCommand.self,
      BenchCommand.self,
      BenchEngineCommand.self,
      PlanCommand.self,
      ProfileCommand.self,
      AnnotateCommand.self,
      ArchitecturesCommand.self,
      ExportCommand.self,
      ConvertCommand.self,
      TrainCommand.self,
      EvaluateCommand.self,
      SynthesizeCommand.self,
    ])

  static func main() {
    guardMappings(exitCode: ExitCode.unusable.rawValue)
    do {
      var command = try parseAsRoot()
      try command.run()
      // What was printed may still wait here; where it cannot go, exit code 0 would be a lie.
      guard fflush(nil) == 0 else {
        throw LigatureError(.file, "cannot write the output: \(systemErrorText()); check where it goes")
      }
    } catch let error as LigatureError where error.code == .usage {
      complain(error)
      Glibc.exit(ExitCode.validationFailure.rawValue)
    } catch let error as LigatureError {
      complain(error)
      Glibc.exit(ExitCode.unusable.rawValue)
    } catch  where !(error is ExitCode) && exitCode(for: error) == .failure {
      // Not one of ours and not the parser's.
      complain(LigatureError(.file, "could not go on", cause: error))
      Glibc.exit(ExitCode.unusable.rawValue)
    } catch {
      exit(withError: error)
    }
  }
}

extension ExitCode {
  /// A check did not hold, or some of several inputs could not be handled.
  static let checkFailed = ExitCode(1)
  /// A file or model could not be used at all.
  static let unusable = ExitCode(2)
}

/// Writes an error line to standard error.
func complain(_ error: some Error) { writeToStandardError("error: \("\(error)".printable)\n") }

/// Where standard error is closed or full, nobody is there to be told.
func writeToStandardError(_ text: String) {
  let bytes = Array(text.utf8)
  var done = 0
  while done < bytes.count {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe write(2, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
    }
    if count < 0, errno == EINTR { continue }
    guard count > 0 else { return }
    done += count
  }
}
