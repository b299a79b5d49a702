#include "flows/look_up_process.h"

#include <netdb.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "events.h"
#include "flows/look_up_sandbox.h"
#include "promises.h"
#include "sandbox.h"

namespace weir::sensor {
namespace {

constexpr int kSocket = STDIN_FILENO;  // in the process
constexpr char kConfined[] = "\n";

std::vector<std::string> AddressesOf(const std::string& host) {
  addrinfo wanted = {};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::vector<std::string> addresses;
  if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return addresses;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text;
    const int outcome = ::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
    if (outcome == 0) addresses.emplace_back(text.data());
  }
  return addresses;
}

std::string Join(const std::vector<std::string>& addresses) {
  std::string text;
  for (const std::string& address : addresses) {
    if (text.size() + address.size() + 1 < kMostAnswerBytes) text += address + "\n";
  }
  return text.empty() ? "\n" : text;
}

bool Send(int socket, std::string_view text) {
  return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// Also in the middle of a look-up, which can take long.
void EndWithTheSensor() {
  std::thread([] {
    pollfd hang_up = {kSocket, 0, 0};
    while (::poll(&hang_up, 1, -1) <= 0) continue;
    ::_exit(0);
  }).detach();
}

bool Confine(const Options& options) {
  try {
    options.sandboxed ? EnterLookUpSandbox(options.user) : BecomeUser(options.user);
    return Send(kSocket, kConfined);
  } catch (const SensorError& error) {
    Send(kSocket, error.what());
    return false;
  }
}

int Answer(const std::string& host, const Options& options) {
  if (!Confine(options)) return 1;
  ::closefrom(STDOUT_FILENO);
  EndWithTheSensor();
  char question = 0;
  while (::recv(kSocket, &question, 1, 0) == 1) {
    if (!Send(kSocket, Join(AddressesOf(host)))) break;
  }
  return 0;
}

// Whether the name has an address at all is what the question says.
int Check(const std::string& host, const Options& options) {
  Promises promises("look-up of " + host + ": ");
  CheckLookUpSandbox(options, &promises);
  char has_address = 0;
  if (::recv(kSocket, &has_address, 1, 0) != 1) return 1;
  if (has_address == 'y') promises.Try("looking up " + host, true, [&host] { return !AddressesOf(host).empty(); });
  std::fflush(stdout);
  return promises.kept() ? 0 : 1;
}

struct Process {
  pid_t id;
  Descriptor socket;
};

[[noreturn]] void Live(const Descriptor& socket, const std::function<int()>& life) noexcept {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);  // the sensor is not done then
  ::prctl(PR_SET_NAME, "weir-look-up");
  ::dup2(socket.get(), kSocket);
  ::closefrom(STDERR_FILENO + 1);
  ::_exit(life());
}

Process Start(const std::function<int()>& life) {
  std::array<int, 2> ends;
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw SensorError(ExitCode::kMistake, std::string("socketpair: ") + std::strerror(errno));
  }
  Descriptor ours(ends[0]);
  const Descriptor other(ends[1]);
  const pid_t id = ::fork();
  if (id == 0) Live(other, life);
  if (id < 0) throw SensorError(ExitCode::kMistake, std::string("fork: ") + std::strerror(errno));
  return {id, std::move(ours)};
}

}  // namespace

Descriptor StartLookUp(const std::string& host, const Options& options) {
  Process process = Start([&] { return Answer(host, options); });
  std::array<char, kMostAnswerBytes> text;
  const ssize_t size = ::recv(process.socket.get(), text.data(), text.size(), 0);
  const std::string word(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  if (word.empty()) throw SensorError(ExitCode::kMistake, "the process that should look up " + host + " ended at once");
  if (word != kConfined) throw SensorError(ExitCode::kSettings, word);
  return std::move(process.socket);
}

bool CheckLookUp(const std::string& host, const Options& options) {
  const Process process = Start([&] {
    try {
      return Check(host, options);
    } catch (const SensorError& error) {
      std::fprintf(stderr, "weir-capture: %s\n", error.what());
      return 1;
    }
  });
  Send(process.socket.get(), AddressesOf(host).empty() ? "n" : "y");
  int status = 0;
  ::waitpid(process.id, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace weir::sensor
