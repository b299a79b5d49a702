#include "flows/identity.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "events.h"

namespace weir::sensor {
namespace {

// Before a library says it in its own words.
void CheckReadable(const std::string& option, const std::string& path) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return;
  throw SensorError(ExitCode::kSettings, option + " " + path + ": cannot be read: " + std::strerror(errno));
}

[[noreturn]] void Refuse(const std::string& what) {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  throw SensorError(ExitCode::kSettings, what + (reason != nullptr ? std::string(" (") + reason + ")" : ""));
}

std::string CommonName(const X509* certificate) {
  std::array<char, 256> name = {};
  const int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  return length < 0 ? "" : std::string(name.data(), static_cast<std::size_t>(length));
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> unused;
  return inet_pton(AF_INET, host.c_str(), unused.data()) == 1 || inet_pton(AF_INET6, host.c_str(), unused.data()) == 1;
}

// Refused rather than asked for: a service has nobody to type the passphrase of a key.
int NoPassphrase(char*, int, int, void*) { return 0; }

}  // namespace

Identity::Identity(const FlowOptions& options, const std::string& sensor, std::string host)
    : host_(std::move(host)), context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
  CheckReadable("--tls-ca", options.ca_file);
  CheckReadable("--tls-cert", options.certificate_file);
  CheckReadable("--tls-key", options.key_file);
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_default_passwd_cb(context, &NoPassphrase);
  const char* ca_file = options.ca_file.c_str();
  const bool trusts = options.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                              : SSL_CTX_load_verify_locations(context, ca_file, nullptr) == 1;
  if (!trusts) Refuse("--tls-ca " + options.ca_file + ": cannot be read as certificates");
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    Refuse("--tls-cert " + options.certificate_file + ": cannot be read as a certificate in PEM");
  }
  CheckName(options.certificate_file, sensor);
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(context) != 1) {
    Refuse("--tls-key " + options.key_file + ": is not the private key, in PEM and without passphrase, that belongs to " +
           options.certificate_file);
  }
  X509_VERIFY_PARAM* expected = SSL_CTX_get0_param(context);
  IsAddress(host_) ? X509_VERIFY_PARAM_set1_ip_asc(expected, host_.c_str()) : X509_VERIFY_PARAM_set1_host(expected, host_.c_str(), 0);
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, &OnVerify);
  SSL_CTX_set_info_callback(context, &OnProgress);
}

void Identity::CheckName(const std::string& file, const std::string& sensor) const {
  const X509* certificate = SSL_CTX_get0_certificate(context_.get());
  const std::string name = CommonName(certificate);
  if (name != sensor) {
    throw SensorError(ExitCode::kSettings, "--tls-cert " + file + ": was given to \"" + name + "\", and this sensor is \"" + sensor +
                                               "\" (--sensor); a sensor speaks under its own name only");
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    Say(Event("warning").Text("certificate", file).Text("what", "has expired; the broker will refuse this sensor until it gets a new one"));
  }
}

int Identity::OnVerify(int good, X509_STORE_CTX* store) {
  if (good == 1) return 1;
  const auto* connection = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* identity = static_cast<Identity*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  identity->refusal_ = std::string("the broker's certificate") + (certificate != nullptr ? " for \"" + CommonName(certificate) + "\"" : "") +
                       ": " + X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
  return 0;
}

// The library connects to an address that was looked up before; the broker is to be told its name
// (server name indication), by which clouds tell their customers apart.
void Identity::OnProgress(const SSL* connection, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_START) == 0) return;
  const auto* identity = static_cast<const Identity*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  const char* name = IsAddress(identity->host_) ? nullptr : identity->host_.c_str();
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): the library hands out no other, and this is where to set it
  SSL_set_tlsext_host_name(const_cast<SSL*>(connection), name);
}

Identities LoadIdentities(const FlowOptions& options, const std::string& sensor) {
  Identities identities;
  for (const FlowDestination& to : options.destinations) {
    if (to.encrypted) identities.try_emplace(to.host, std::make_unique<Identity>(options, sensor, to.host));
  }
  return identities;
}

std::string Identity::TakeRefusal() { return std::exchange(refusal_, {}); }

}  // namespace weir::sensor
