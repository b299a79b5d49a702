// Looks a host up again and again, from behind the sandbox, where that takes more than is allowed.
//
// A process of its own does it (look_up_process.h), which is started before there is any packet or key.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "capture_options.h"
#include "disk.h"

namespace weir::sensor {

class Resolver {
 public:
  // Numeric addresses need no process. Call it while there is one thread only. Throws SensorError.
  Resolver(std::string host, const Options& options);

  // Numeric addresses, the preferred first; none where the name is not known now, or there is no answer in
  // time. Once the process has ended, those it learnt last. Any thread may ask.
  std::vector<std::string> Ask(std::chrono::milliseconds patience);
  // Says so where the process has ended since the last look.
  void Watch();

 private:
  bool Send();
  bool Receive(std::chrono::milliseconds patience);
  void NoteEnd();

  std::string host_;
  bool is_address_;
  std::mutex mutex_;
  Descriptor process_;      // its socket; closed once it has ended
  bool is_asked_ = false;   // a question waits for its answer
  std::vector<std::string> latest_;  // answer
  std::vector<std::string> learnt_;  // the latest answer that was not empty
};

// One for each host that --flows names behind mqtts:// or mqtt://. To be made first of all.
using Resolvers = std::map<std::string, std::unique_ptr<Resolver>>;
Resolvers StartResolvers(const Options& options);

// Whether the processes that these would start keep what they promise; prints a line for each promise.
bool CheckResolvers(const Options& options);

bool IsLoopback(const std::string& address);

}  // namespace weir::sensor
