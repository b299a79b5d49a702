#include "events.h"

#include <unistd.h>

namespace weir::sensor {

void Say(const JsonObject& fields) {
  const std::string line = fields.Finish() + "\n";
  // One write per line keeps the lines of both threads whole; a closed stderr is no reason to stop.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

JsonObject Event(std::string_view name) {
  JsonObject fields;
  fields.Text("event", name);
  return fields;
}

}  // namespace weir::sensor
