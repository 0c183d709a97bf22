public import GraphIR

extension OperatorSet {
  /// Every operator that Ligature knows, one family a line.
  public static let standard = OperatorSet([
    Unary.self, Clip.self, Not.self, Classify.self, Cast.self, Identity.self,
    Binary.self, Variadic.self, Where.self,
    Shape.self, Size.self, Reshape.self, Squeeze.self, Unsqueeze.self, Flatten.self, Expand.self, Transpose.self,
    Concat.self, Split.self, Tile.self, Pad.self, BlockShuffle.self,
    Recurrent.self, DynamicQuantizeLSTM.self,
    Einsum.self,
    DynamicQuantizeLinear.self, QuantizeLinear.self, DequantizeLinear.self,
    Reduce.self, ArgExtreme.self, CumSum.self,
    MaxPool.self, AveragePool.self, GlobalPool.self,
    Constant.self, ConstantOfShape.self, NumberRange.self, EyeLike.self,
    Conv.self, ConvInteger.self, ConvTranspose.self, DeformConv.self,
    MatMul.self, MatMulInteger.self, Gemm.self,
    FusedMatMul.self, FusedElementwise.self, FusedAttention.self,
    BatchNormalization.self, LayerNormalization.self, InstanceNormalization.self,
    Softmax.self, BinaryCrossEntropy.self,
    Resize.self, ResizeAdd.self, GridSample.self, RoiAlign.self,
    Gather.self, GatherElements.self, GatherND.self, Slice.self, Scatter.self, OneHot.self, Trilu.self,
    TopK.self, LargestMask.self, NonZero.self, NonMaxSuppression.self, Compress.self, Unique.self,
    If.self, Loop.self, Scan.self, SequenceMap.self,
    SequenceOperator.self, SplitToSequence.self, ConcatFromSequence.self, OptionalOperator.self,
    StringConcat.self, StringSplit.self, StringNormalizer.self,
    ReluGradient.self, SumTo.self, SliceGradient.self, ConvWeightGradient.self, ConvInputGradient.self,
    MaxPoolGradient.self, AveragePoolGradient.self, BatchNormalizationGradient.self,
    RecurrentGradient.self, ResizeGradient.self, GridSampleGradient.self, CTCLoss.self, CTCLossGradient.self,
    DeformConvGradient.self, RoiAlignGradient.self,
    LocalResponseNormalization.self, MeanVarianceNormalization.self, GroupNormalization.self, LpNormalization.self,
    Hardmax.self, ClassificationLoss.self,
    WindowFunction.self, DiscreteFourierTransform.self, ShortTimeFourierTransform.self, MelWeightMatrix.self,
    ReverseSequence.self, CenterCropPad.self, Col2Im.self, MaxUnpool.self, AffineGrid.self, Determinant.self,
    MaxRoiPool.self, QLinearMatMul.self, QLinearConv.self, RandomGenerator.self, PreviewOptimizer.self,
    ArrayFeatureExtractor.self, Binarizer.self, TreeEnsemble.self, TfIdfVectorizer.self,
    OptimizerUpdate.self, GlobalNorm.self, LearningRate.self, Dropout.self,
  ])
}
