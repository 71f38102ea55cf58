/* SPDX-License-Identifier: MIT */
#ifndef TDC_CUDA_EMU_SIGNALS_H
#define TDC_CUDA_EMU_SIGNALS_H

extern const char *signals_work; /* the copy that is being carried out, or NULL */
void signals_start(void);
void signals_thread(void); /* before this thread runs kernels: where its faults are told */

#endif
