/// What can be differentiated. Every operator that a network's loss may depend on has a rule, or a reason why not:
/// `reasons` says it for those without any, and this table for variants that a rule refuses. All refusals are errors
/// that name the node and the remedy.
///
/// | Operator | Refused | Reason, and what to do |
/// | --- | --- | --- |
/// | `AveragePool` | as `LpPool` | No network here has it. Pow, AveragePool and Pow say the same. |
/// | `BatchNormalization` | by its running statistics, or of them | They are averages that training keeps, not parameters. |
/// | `ConvTranspose` | `auto_pad`, `output_shape` with weights (or sizes) that only running tells | What is padded follows from them. Give `pads`. |
/// | `DepthToSpace` | mode CRD, channels that only running tells | Fix the number of channels. |
/// | `Einsum` | an operand with one letter twice | The diagonal's adjoint is no product. Take it with GatherND. |
/// | `GRU` | other activations, `clip` | Such cells come from other exporters than PyTorch's; unroll the layer. |
/// | `LSTM` | the same, peepholes, `input_forget` | The same. |
/// | `LayerNormalization` | of its second and third output | They are by-products. Compute them with ReduceMean. |
/// | `Pad` | by the value that is padded with | It is a setting. Where and Pad of a mask say the same. |
/// | `Reduce…` | axes that only running tells, together with `keepdims` 0 | The axes' places are lost. Make axes constant. |
/// | `Resize` | by the region or the scales | They decide over sizes. Use GridSample. |
/// | `RNN` | all of it | LSTM or GRU instead, or unroll the layer. |
/// | `RoiAlign` | by the boxes | PyTorch's (and mmcv's) has none either: boxes are taken as given. |
/// | `Split` | a number of pieces that only running tells | Fix the length of `split`. |
///
/// Integers, conditions and shapes are no part of a derivative: `Cast` to integers, comparisons, `ArgMax`, `Shape` and
/// their like end the path without an error.
package enum GradientRules {
  private static let ofUpdates = "an update is made of gradients; the loss comes before it"
  private static let ofFusion = "it is made for inference; differentiate the graph that it was prepared from"
  private static let ofQuantization = "quantised numbers are not trained; train in float32 and quantise afterwards"
  private static let ofControl = "a training step is one fixed graph; unroll the loop, or choose the branch before"
  private static let ofContainers = "training is on tensors; use Concat, Split and Slice"
  private static let ofInference = "no network here trains through it; compose it of operators that have rules"
  /// By operator type, why there is no rule and what to do. Operators of the domain `ligature` that are derivatives
  /// themselves are not listed: the second derivative is asked for by no training here.
  package static let reasons: [String: String] = [
    "Adadelta": ofUpdates, "Adam": ofUpdates, "AdamW": ofUpdates, "SGD": ofUpdates,
    "Compress": "its sizes follow from values; multiply by a mask instead",
    "DequantizeLinear": ofQuantization,
    "DynamicQuantizeLSTM": ofQuantization,
    "DynamicQuantizeLinear": ofQuantization,
    "FusedAttention": ofFusion, "FusedElementwise": ofFusion, "FusedMatMul": ofFusion, "ResizeAdd": ofFusion,
    "GlobalNorm": "clipping scales gradients, it is no part of the loss",
    "LearningRate": "it follows the step, not the parameters",
    "LargestMask": "which elements are the largest changes in jumps; use TopK for their values",
    "NonMaxSuppression": "which boxes are kept changes in jumps; compute the loss before it",
    "NonZero": "places are integers",
    "OneHot": "its inputs are places, and its two values are settings; use Where",
    "QuantizeLinear": ofQuantization,
    "Range": "its sizes follow from values; add or multiply a constant range instead",
    "Unique": "which elements are equal changes in jumps; compute the loss before it",
    "Adagrad": ofUpdates, "Momentum": ofUpdates,
    "QLinearConv": ofQuantization, "QLinearMatMul": ofQuantization,
    "If": ofControl, "Loop": ofControl, "Scan": ofControl, "SequenceMap": ofControl,
    "ConcatFromSequence": ofContainers, "Optional": ofContainers, "OptionalGetElement": ofContainers,
    "SequenceAt": ofContainers, "SequenceConstruct": ofContainers, "SequenceErase": ofContainers,
    "SequenceInsert": ofContainers, "SplitToSequence": ofContainers,
    "AffineGrid": ofInference, "ArrayFeatureExtractor": ofInference, "Binarizer": ofInference,
    "CenterCropPad": ofInference, "Col2Im": ofInference, "DFT": ofInference, "Det": ofInference,
    "GroupNormalization": ofInference, "Hardmax": ofInference, "LRN": ofInference, "LpNormalization": ofInference,
    "MaxRoiPool": ofInference, "MaxUnpool": ofInference, "MeanVarianceNormalization": ofInference,
    "NegativeLogLikelihoodLoss": ofInference, "ReverseSequence": ofInference, "STFT": ofInference,
    "SoftmaxCrossEntropyLoss": ofInference, "TfIdfVectorizer": ofInference, "TreeEnsemble": ofInference,
  ]
  // Sources of constants, and results that are no floating-point numbers: nothing flows through them.
  package static let endsOfPaths: Set<String> = [
    "ArgMax", "ArgMin", "BitwiseNot", "Constant", "ConstantOfShape", "ConvInteger", "EyeLike", "IsInf", "IsNaN",
    "MatMulInteger", "Not", "Shape", "Size",
    "Bernoulli", "BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix", "Multinomial",
    "OptionalHasElement", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "SequenceEmpty",
    "SequenceLength", "StringConcat", "StringNormalizer", "StringSplit",
  ]
}
