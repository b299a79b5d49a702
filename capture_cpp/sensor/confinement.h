// What a process can give up by itself: capabilities, files, ports and system calls. What an old kernel
// cannot do is said on stderr, and the process goes on.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "disk.h"

namespace weir::sensor {

// Whether this kernel can keep a process from connecting to other ports.
bool KnowsPorts();

// What no program can bring back. Only root may; without that no_new_privs alone keeps capabilities away.
void DropBoundingSet();
// All of them, and the bounding set with them.
void DropCapabilities();
void ForbidNewPrivileges();

// Landlock: what of files and TCP ports stays; all else is refused from Enforce() on, and so are signals and
// abstract sockets of other processes (Linux 6.12 and later).
class FileRules {
 public:
  FileRules();
  // The folder and all below it; nothing where there is no such folder.
  void AllowReading(const char* path);
  void AllowSpool(int folder);
  void AllowConnecting(std::uint16_t port);
  void Enforce() const;

 private:
  void Allow(int folder, std::uint64_t access) const;

  long abi_;
  Descriptor ruleset_;
};

// Sockets that may be made; protocols are numbered from 0.
struct SocketKind {
  std::uint32_t family;
  std::uint32_t type;
  std::uint32_t last_protocol;
};

// seccomp: which system calls stay, threads among them. Every other one fails with EPERM, so that a library
// which tries one takes its other path.
class CallFilter {
 public:
  CallFilter();
  void Allow(std::span<const int> calls);
  void AllowSockets(std::initializer_list<SocketKind> kinds);
  // Sending to whom a socket is connected with, and to no address that is named.
  void AllowSending();
  void Enforce();

 private:
  std::vector<sock_filter> program_;
};

}  // namespace weir::sensor
