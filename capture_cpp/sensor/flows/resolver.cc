#include "flows/resolver.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <string_view>
#include <utility>

#include "events.h"
#include "flows/look_up_process.h"

namespace weir::sensor {
namespace {

using std::chrono::milliseconds;

bool IsAddress(const std::string& text) {
  in6_addr unused = {};
  return inet_pton(AF_INET, text.c_str(), &unused) == 1 || inet_pton(AF_INET6, text.c_str(), &unused) == 1;
}

// What is no address is left out: names of others' making were read where this comes from.
std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    std::string line(text.substr(0, end));
    if (IsAddress(line)) lines.push_back(std::move(line));
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool HasInput(int descriptor, milliseconds patience) {
  pollfd events = {descriptor, POLLIN, 0};
  return ::poll(&events, 1, static_cast<int>(patience.count())) > 0;
}

std::set<std::string> BrokerHosts(const FlowOptions& options) {
  std::set<std::string> hosts;
  for (const FlowDestination& to : options.destinations) {
    if (to.transport == FlowTransport::kMqtt) hosts.insert(to.host);
  }
  return hosts;
}

}  // namespace

bool IsLoopback(const std::string& address) {
  in_addr four = {};
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
  return address == "::1";
}

Resolver::Resolver(std::string host, const Options& options) : host_(std::move(host)), is_address_(IsAddress(host_)) {
  if (!is_address_) process_ = StartLookUp(host_, options);
}

std::vector<std::string> Resolver::Ask(milliseconds patience) {
  if (is_address_) return {host_};
  const std::scoped_lock lock(mutex_);
  while (Receive(milliseconds(0))) continue;  // an answer that came too late
  if (!Send() || !Receive(patience)) return process_.open() ? std::vector<std::string>() : learnt_;
  return latest_;
}

void Resolver::Watch() {
  const std::unique_lock lock(mutex_, std::try_to_lock);  // who asks notices it as well
  if (lock.owns_lock()) Receive(milliseconds(0));
}

bool Resolver::Send() {
  if (!process_.open()) return false;
  const char question = '?';
  if (!is_asked_ && ::send(process_.get(), &question, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) NoteEnd();
  is_asked_ = true;
  return process_.open();
}

bool Resolver::Receive(milliseconds patience) {
  if (!process_.open() || !HasInput(process_.get(), patience)) return false;
  std::array<char, kMostAnswerBytes> text;
  // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): it does not wait
  const ssize_t size = ::recv(process_.get(), text.data(), text.size(), MSG_DONTWAIT);
  if (size <= 0) {
    NoteEnd();
    return false;
  }
  is_asked_ = false;
  latest_ = Split({text.data(), static_cast<std::size_t>(size)});
  if (!latest_.empty()) learnt_ = latest_;
  return true;
}

void Resolver::NoteEnd() {
  process_ = Descriptor();
  Say(Event("look_up_ended").Text("host", host_).Count("addresses", learnt_.size())
          .Text("what", "the process that looked it up is gone; those learnt last are used until the sensor is started again"));
}

Resolvers StartResolvers(const Options& options) {
  Resolvers resolvers;
  for (const std::string& host : BrokerHosts(options.flows)) resolvers.emplace(host, std::make_unique<Resolver>(host, options));
  return resolvers;
}

bool CheckResolvers(const Options& options) {
  bool good = true;
  for (const std::string& host : BrokerHosts(options.flows)) {
    if (!IsAddress(host)) good &= CheckLookUp(host, options);
  }
  return good;
}

}  // namespace weir::sensor
