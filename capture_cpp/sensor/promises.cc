#include "promises.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

namespace weir::sensor {
namespace {

bool CanFork() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return child > 0;
}

constexpr std::uint16_t kDiscard = 9;
constexpr std::uint16_t kDaytime = 13;

sockaddr_in Local(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Whether it is at least not Landlock that says no.
bool CanConnectElsewhere(std::uint16_t allowed) {
  const sockaddr_in address = Local(allowed == kDiscard ? kDaytime : kDiscard);
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  return !socket.open() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno != EACCES;
}

}  // namespace

Promises::Promises(std::string whose) : whose_(std::move(whose)), status_(::open("/proc/self/status", O_RDONLY | O_CLOEXEC)) {}

void Promises::Print(bool is_kept, const std::string& outcome) {
  kept_ &= is_kept;
  std::printf("%-7s %s%s\n", is_kept ? "as said" : "WRONG", whose_.c_str(), outcome.c_str());
}

void Promises::Try(const std::string& what, bool should_work, const std::function<bool()>& attempt) {
  errno = 0;
  const bool works = attempt();
  Print(works == should_work, what + (works ? " works" : std::string(" is refused: ") + std::strerror(errno)));
}

void Promises::Read(const std::string& what, const std::string& name, std::uint64_t expected) {
  const std::optional<std::uint64_t> found = StatusOf(name);
  std::array<char, 2 * sizeof(std::uint64_t)> digits = {};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), found.value_or(0), 16);
  Print(found == expected, what + ": the kernel says " + name + " " + std::string(digits.data(), end));
}

std::optional<std::uint64_t> Promises::StatusOf(std::string_view name) const {
  constexpr std::size_t kMostBytes = 8192;
  std::array<char, kMostBytes> text;
  const ssize_t size = ::pread(status_.get(), text.data(), text.size(), 0);
  const std::string_view whole(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t line = whole.find("\n" + std::string(name) + ":\t");
  if (line == std::string_view::npos) return std::nullopt;
  const std::string_view digits = whole.substr(line + name.size() + 3);
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

void Promises::TryRights() {
  constexpr std::uint64_t kFilterMode = 2;
  Try("starting a process", false, CanFork);
  Try("running a program", false, [] { return ::execl("/bin/true", "true", nullptr) == 0; });
  Try("writing beside it", false, [] { return CanOpen("/", O_WRONLY | O_TMPFILE); });
  Try("becoming root", false, [] { return ::setuid(0) == 0; });
  Read("no capability is left", "CapPrm", 0);
  Read("no program can bring rights back", "NoNewPrivs", 1);
  Read("system calls are filtered", "Seccomp", kFilterMode);
}

void Promises::TryConnectingElsewhere(const std::string& what, std::uint16_t allowed) {
  Try(what, false, [allowed] { return CanConnectElsewhere(allowed); });
}

bool CanFastOpen() {
  const sockaddr_in address = Local(kDiscard);
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  return !socket.open() || ::sendto(socket.get(), "", 1, MSG_FASTOPEN | MSG_NOSIGNAL, to, sizeof address) >= 0 || errno != EPERM;
}

bool CanOpen(const char* path, int flags) { return Descriptor(::open(path, flags | O_CLOEXEC, 0600)).open(); }

bool CanMakeSocket(int family, int type, int protocol) { return Descriptor(::socket(family, type, protocol)).open(); }

}  // namespace weir::sensor
