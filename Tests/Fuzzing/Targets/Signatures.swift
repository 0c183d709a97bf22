/// The operators of ONNX's standard domain at opset 21 that make tensors of tensors: name, least and most inputs, most
/// outputs, attributes with their kinds (`i`nt, `f`loat, `s`tring, `t`ensor, capitals for lists).
struct Signature {
  let name: String
  let inputs: ClosedRange<Int>
  let outputs: Int
  let attributes: [(name: String, kind: Character)]

  static let all: [Signature] = table.split(separator: "\n").compactMap { line in
    let words = line.split(separator: " ").map(String.init)
    guard words.count >= 4, let least = Int(words[1]), let most = Int(words[2]), let outputs = Int(words[3]),
      least <= most
    else { return nil }
    let attributes = words[4...].compactMap { word -> (String, Character)? in
      let parts = word.split(separator: ":")
      return parts.count == 2 ? parts[1].first.map { (String(parts[0]), $0) } : nil
    }
    return Signature(name: words[0], inputs: least...most, outputs: outputs, attributes: attributes)
  }

  private static let table = """
    Abs 1 1 1
    Acos 1 1 1
    Acosh 1 1 1
    Add 2 2 1
    AffineGrid 2 2 1 align_corners:i
    And 2 2 1
    ArgMax 1 1 1 axis:i keepdims:i select_last_index:i
    ArgMin 1 1 1 axis:i keepdims:i select_last_index:i
    Asin 1 1 1
    Asinh 1 1 1
    Atan 1 1 1
    Atanh 1 1 1
    AveragePool 1 1 1 auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I
    BatchNormalization 5 5 3 epsilon:f momentum:f training_mode:i
    Bernoulli 1 1 1 dtype:i seed:f
    BitShift 2 2 1 direction:s
    BitwiseAnd 2 2 1
    BitwiseNot 1 1 1
    BitwiseOr 2 2 1
    BitwiseXor 2 2 1
    BlackmanWindow 1 1 1 output_datatype:i periodic:i
    Cast 1 1 1 saturate:i to:i
    CastLike 2 2 1 saturate:i
    Ceil 1 1 1
    Celu 1 1 1 alpha:f
    CenterCropPad 2 2 1 axes:I
    Clip 1 3 1
    Col2Im 3 3 1 dilations:I pads:I strides:I
    Compress 2 2 1 axis:i
    Concat 1 8 1 axis:i
    ConstantOfShape 1 1 1 value:t
    Conv 2 3 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
    ConvInteger 2 4 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
    ConvTranspose 2 3 1 auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I
    Cos 1 1 1
    Cosh 1 1 1
    CumSum 2 2 1 exclusive:i reverse:i
    DFT 1 3 1 inverse:i onesided:i
    DeformConv 3 5 1 dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I
    DepthToSpace 1 1 1 blocksize:i mode:s
    DequantizeLinear 2 3 1 axis:i block_size:i
    Det 1 1 1
    Div 2 2 1
    Dropout 1 3 2 seed:i
    DynamicQuantizeLinear 1 1 3
    Einsum 1 8 1 equation:s
    Elu 1 1 1 alpha:f
    Equal 2 2 1
    Erf 1 1 1
    Exp 1 1 1
    Expand 2 2 1
    EyeLike 1 1 1 dtype:i k:i
    Flatten 1 1 1 axis:i
    Floor 1 1 1
    GRU 3 6 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i \
      linear_before_reset:i
    Gather 2 2 1 axis:i
    GatherElements 2 2 1 axis:i
    GatherND 2 2 1 batch_dims:i
    Gelu 1 1 1 approximate:s
    Gemm 2 3 1 alpha:f beta:f transA:i transB:i
    GlobalAveragePool 1 1 1
    GlobalLpPool 1 1 1 p:i
    GlobalMaxPool 1 1 1
    Greater 2 2 1
    GreaterOrEqual 2 2 1
    GridSample 2 2 1 align_corners:i mode:s padding_mode:s
    GroupNormalization 3 3 1 epsilon:f num_groups:i stash_type:i
    HammingWindow 1 1 1 output_datatype:i periodic:i
    HannWindow 1 1 1 output_datatype:i periodic:i
    HardSigmoid 1 1 1 alpha:f beta:f
    HardSwish 1 1 1
    Hardmax 1 1 1 axis:i
    Identity 1 1 1
    InstanceNormalization 3 3 1 epsilon:f
    IsInf 1 1 1 detect_negative:i detect_positive:i
    IsNaN 1 1 1
    LRN 1 1 1 alpha:f beta:f bias:f size:i
    LSTM 3 8 3 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i input_forget:i \
      layout:i
    LayerNormalization 2 3 3 axis:i epsilon:f stash_type:i
    LeakyRelu 1 1 1 alpha:f
    Less 2 2 1
    LessOrEqual 2 2 1
    Log 1 1 1
    LogSoftmax 1 1 1 axis:i
    LpNormalization 1 1 1 axis:i p:i
    LpPool 1 1 1 auto_pad:s ceil_mode:i dilations:I kernel_shape:I p:i pads:I strides:I
    MatMul 2 2 1
    MatMulInteger 2 4 1
    Max 1 8 1
    MaxPool 1 1 2 auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I
    MaxRoiPool 2 2 1 pooled_shape:I spatial_scale:f
    MaxUnpool 2 3 1 kernel_shape:I pads:I strides:I
    Mean 1 8 1
    MeanVarianceNormalization 1 1 1 axes:I
    MelWeightMatrix 5 5 1 output_datatype:i
    Min 1 8 1
    Mish 1 1 1
    Mod 2 2 1 fmod:i
    Mul 2 2 1
    Multinomial 1 1 1 dtype:i sample_size:i seed:f
    Neg 1 1 1
    NegativeLogLikelihoodLoss 2 3 1 ignore_index:i reduction:s
    NonMaxSuppression 2 5 1 center_point_box:i
    NonZero 1 1 1
    Not 1 1 1
    OneHot 3 3 1 axis:i
    Or 2 2 1
    PRelu 2 2 1
    Pad 2 4 1 mode:s
    Pow 2 2 1
    QLinearConv 8 8 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
    QLinearMatMul 8 8 1
    QuantizeLinear 2 3 1 axis:i block_size:i output_dtype:i saturate:i
    RNN 3 6 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i
    RandomNormal 0 0 1 dtype:i mean:f scale:f seed:f shape:I
    RandomNormalLike 1 1 1 dtype:i mean:f scale:f seed:f
    RandomUniform 0 0 1 dtype:i high:f low:f seed:f shape:I
    RandomUniformLike 1 1 1 dtype:i high:f low:f seed:f
    Range 3 3 1
    Reciprocal 1 1 1
    ReduceL1 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceL2 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceLogSum 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceLogSumExp 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceMax 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceMean 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceMin 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceProd 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceSum 1 2 1 keepdims:i noop_with_empty_axes:i
    ReduceSumSquare 1 2 1 keepdims:i noop_with_empty_axes:i
    Relu 1 1 1
    Reshape 2 2 1 allowzero:i
    Resize 1 4 1 antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i \
      extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s
    RoiAlign 3 3 1 coordinate_transformation_mode:s mode:s output_height:i output_width:i sampling_ratio:i \
      spatial_scale:f
    Round 1 1 1
    STFT 2 4 1 onesided:i
    ScatterElements 3 3 1 axis:i reduction:s
    ScatterND 3 3 1 reduction:s
    Selu 1 1 1 alpha:f gamma:f
    Shape 1 1 1 end:i start:i
    Shrink 1 1 1 bias:f lambd:f
    Sigmoid 1 1 1
    Sign 1 1 1
    Sin 1 1 1
    Sinh 1 1 1
    Size 1 1 1
    Slice 3 5 1
    Softmax 1 1 1 axis:i
    SoftmaxCrossEntropyLoss 2 3 2 ignore_index:i reduction:s
    Softplus 1 1 1
    Softsign 1 1 1
    SpaceToDepth 1 1 1 blocksize:i
    Split 1 2 4 axis:i num_outputs:i
    Sqrt 1 1 1
    Squeeze 1 2 1
    Sub 2 2 1
    Sum 1 8 1
    Tan 1 1 1
    Tanh 1 1 1
    ThresholdedRelu 1 1 1 alpha:f
    Tile 2 2 1
    TopK 2 2 2 axis:i largest:i sorted:i
    Transpose 1 1 1 perm:I
    Trilu 1 2 1 upper:i
    Unique 1 1 4 axis:i sorted:i
    Unsqueeze 2 2 1
    Where 3 3 1
    Xor 2 2 1
    """
}
