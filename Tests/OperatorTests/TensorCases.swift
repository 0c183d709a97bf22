import CKernels
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite struct TensorCases {
  @Test(arguments: try OperatorCase.load("Elementwise"))
  func elementwise(_ sample: OperatorCase) throws { try check(sample) }

  @Test(arguments: try OperatorCase.load("Shapes"))
  func shapes(_ sample: OperatorCase) throws { try check(sample) }

  @Test(arguments: try OperatorCase.load("Reduction"))
  func reduction(_ sample: OperatorCase) throws { try check(sample) }

  @Test(arguments: try OperatorCase.load("Indexing"))
  func indexing(_ sample: OperatorCase) throws { try check(sample) }

  @Test(arguments: try OperatorCase.load("Resize"))
  func resize(_ sample: OperatorCase) throws { try check(sample) }
}
