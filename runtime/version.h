/* SPDX-License-Identifier: MIT */
/* The version, as --version prints it and as cache keys hold it. */
#ifndef TDC_VERSION_H
#define TDC_VERSION_H

#define TDC_VERSION "0.1.0"

#endif
