// Who this sensor is towards a broker: an X.509 certificate whose common name is the sensor's.
#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <string>

#include "flows/flow_options.h"

namespace weir::sensor {

class Identity {
 public:
  // Reads key and certificates, which later neither the sensor's user nor its sandbox need to be able
  // to. Throws SensorError where a file cannot be used, or the certificate is another sensor's.
  Identity(const FlowOptions& options, const std::string& sensor, std::string host);

  // The context for connections to `host`: it proves who we are and checks that the broker's
  // certificate is valid and its name `host`.
  SSL_CTX* context() const { return context_.get(); }

  // Why the broker's certificate was not accepted, since the last call; empty where it was.
  std::string TakeRefusal();

 private:
  static int OnVerify(int good, X509_STORE_CTX* store);
  static void OnProgress(const SSL* connection, int where, int value);
  void CheckName(const std::string& file, const std::string& sensor) const;

  std::string host_;
  std::string refusal_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
};

// One for each host that --flows names behind mqtts://.
using Identities = std::map<std::string, std::unique_ptr<Identity>>;
Identities LoadIdentities(const FlowOptions& options, const std::string& sensor);

}  // namespace weir::sensor
