// What the kernels use of BLAS, for architectures whose library is not installed: kernels.c defines it.
#ifndef CBLAS_H
#define CBLAS_H
enum { CblasRowMajor = 101, CblasNoTrans = 111, CblasTrans = 112 };
typedef int CBLAS_TRANSPOSE;
typedef int blasint;
void openblas_set_num_threads(int threads);
void cblas_sgemm(
    int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
    float beta, float *c, int ldc);
#endif
