extension KernelTable {
  /// A kernel for every operator of `OperatorSet.standard`, one family a line.
  public static let standard: KernelTable = {
    var table = KernelTable()
    let registrations: [(inout KernelTable) -> Void] = [
      UnaryKernels.register(in:),
      BinaryKernels.register(in:),
      FusedElementwiseKernels.register(in:), FusedAttentionKernels.register(in:),
      ShapeKernels.register(in:),
      JoiningKernels.register(in:),
      RecurrentKernels.register(in:), DynamicQuantizeLSTMKernels.register(in:),
      EinsumKernels.register(in:),
      QuantizationKernels.register(in:), IntegerProductKernels.register(in:),
      ReductionKernels.register(in:),
      PoolingKernels.register(in:),
      GeneratorKernels.register(in:),
      ResizeKernels.register(in:), ResizeAddKernels.register(in:), RoiAlignKernels.register(in:),
      CTCKernels.register(in:),
      IndexingKernels.register(in:),
      SelectionKernels.register(in:),
      SequenceKernels.register(in:), StringKernels.register(in:),
      ConvolutionKernels.register(in:),
      DeformableConvolutionKernels.register(in:),
      MatMulKernels.register(in:),
      NormalizationKernels.register(in:),
      SoftmaxKernels.register(in:), CrossEntropyKernels.register(in:),
      LocalNormalizationKernels.register(in:), ClassificationLossKernels.register(in:),
      SignalKernels.register(in:), RearrangingKernels.register(in:),
      QuantizedProductKernels.register(in:), RandomKernels.register(in:),
      PreviewOptimizerKernels.register(in:), TraditionalMLKernels.register(in:),
      OptimizerKernels.register(in:),
    ]
    for register in registrations { register(&table) }
    return table
  }()
}
