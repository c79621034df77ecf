/* Shared by the files of the networks. */
#ifndef GS_ENGINE_MODEL_NETWORK_INTERNAL_H
#define GS_ENGINE_MODEL_NETWORK_INTERNAL_H

#include "engine/model/network.h"

#define GS_STUDENT_NAME "student" /* prefix of its parameters' names */

#endif
