#ifndef LIG_CKERNELS_H
#define LIG_CKERNELS_H

// All kernels. List every header here: a build knows by this file that the module has changed.
#include "activation.h"
#include "broadcast.h"
#include "cast.h"
#include "conv.h"
#include "conv_gradient.h"
#include "conv_integer.h"
#include "conv_transpose.h"
#include "copy.h"
#include "cpu.h"
#include "cross_entropy.h"
#include "ctc.h"
#include "deform_conv.h"
#include "deform_conv_gradient.h"
#include "elementwise.h"
#include "index.h"
#include "matmul.h"
#include "matmul_integer.h"
#include "norm.h"
#include "pool.h"
#include "pooling.h"
#include "pooling_gradient.h"
#include "quantize.h"
#include "recurrent.h"
#include "recurrent_gradient.h"
#include "reduce.h"
#include "resize.h"
#include "selection.h"
#include "strided_sum.h"

#endif
