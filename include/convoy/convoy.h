/* convoy.h - everything. Convolutions and convolutional networks on any OpenCL device. */
#ifndef CONVOY_CONVOY_H
#define CONVOY_CONVOY_H

#include <convoy/arithmetic.h>
#include <convoy/base.h>
#include <convoy/conv.h>
#include <convoy/device.h>
#include <convoy/doctor.h>
#include <convoy/gemm_tune.h>
#include <convoy/graph.h>
#include <convoy/import.h>
#include <convoy/op.h>
#include <convoy/tensor.h>
#include <convoy/tune.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0": the version of the library at run time. */
CVY_API const char *cvy_version(void);

#ifdef __cplusplus
}
#endif

#endif
