// Where the IP headers of a packet are, for Python.
#pragma once

#include <nanobind/nanobind.h>

namespace weir {

void DefineHeaders(nanobind::module_& module);

}  // namespace weir
