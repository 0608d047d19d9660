#include <unistd.h>

#include <algorithm>

#include "engine/cluster_port.h"
#include "engine/early_template.h"
#include "engine/node_run.h"
#include "net/connect.h"
#include "net/tcp.h"
#include "net/tls_missing.h"
#include "net/zstd.h"
#include "rbridge/door.h"
#include "sys/signals.h"
#include "worker/engine_options.h"

// Doors of R/node.R and of what starts nodes.

using namespace avenir;
using doors::get_engine;

namespace {

engine::ClusterPort& port_of(SEXP engine) {
  engine::ClusterPort* const port = get_engine(engine).port();
  if (port == nullptr)
    throw base::Error(base::ErrorKind::kInvalid, "this engine does not listen for nodes (cpp_cluster_listen())");
  return *port;
}

std::string string_of(SEXP text) { return Rcpp::as<std::string>(text); }

constexpr int kRounds = 5;
constexpr double kFirstSeconds = 3, kConnectSeconds = 10, kAllSeconds = 15, kPauseSeconds = 0.3;

// Every address in turn, several times: a session under many connections may have closed ours. At first they have
// little time: behind one that swallows everything is the way through ssh.
std::unique_ptr<sys::ByteStream> connect_to_session(const engine::Ticket& ticket,
                                                    const engine::NodeIdentity& identity) {
  const net::Key key = engine::node_key(ticket.key, identity);
  const auto all = base::Deadline::in_seconds(kAllSeconds);
  std::string failures;
  for (int round = 0; round < kRounds && !all.passed(); ++round) {
    failures.clear();
    if (round > 0) ::usleep(static_cast<useconds_t>(kPauseSeconds * 1e6 * round));
    for (const std::string& address : ticket.addresses) {
      try {
        const auto deadline = base::Deadline::in_seconds(round == 0 ? kFirstSeconds : kConnectSeconds);
        return net::connect(address, ticket.port, identity.text(), key, std::min(deadline, all));
      } catch (const base::Error& error) {
        if (error.kind() != base::ErrorKind::kDisconnected && error.kind() != base::ErrorKind::kTimeout) throw;
        failures += (failures.empty() ? "" : "; ") + std::string(error.what());
      }
    }
  }
  throw base::Error(base::ErrorKind::kDisconnected, "this node cannot reach its session: " + failures);
}

template <typename Info, typename Value>
auto column(const std::vector<Info>& infos, Value value) {
  std::vector<decltype(value(infos.front()))> values;
  for (const Info& info : infos) values.push_back(value(info));
  return values;
}

engine::NodeEnding live_as_node(const std::string& ticket, int rank, int attempt, const rbridge::NamedList& options) {
  const engine::Ticket parsed = engine::Ticket::parse(ticket);
  const engine::NodeIdentity identity{parsed.plan, parsed.group, static_cast<uint32_t>(rank),
                                      static_cast<uint32_t>(attempt)};
  wire::NodeHello hello = doors::description_of(options.list("description"));
  hello.pid = ::getpid();
  hello.workers = options.count("workers");
  hello.cores = sys::usable_cores();
  hello.packs = net::zstd_missing().empty() ? 1 : 0;
  return engine::run_node(doors::engine_options(options), hello, [&] { return connect_to_session(parsed, identity); });
}

}  // namespace

// Empty: encrypted connections work here.
// [[Rcpp::export(rng = false)]]
SEXP cpp_tls_missing() {
  return rbridge::door([&]() -> SEXP { return Rcpp::wrap(net::tls_missing()); });
}

// This machine's address on the way to an address; "" when there is no way.
// [[Rcpp::export(rng = false)]]
SEXP cpp_source_toward(SEXP address) {
  return rbridge::door([&]() -> SEXP { return Rcpp::wrap(net::source_toward(string_of(address))); });
}

// Empty: what is sent can be packed here.
// [[Rcpp::export(rng = false)]]
SEXP cpp_zstd_missing() {
  return rbridge::door([&]() -> SEXP { return Rcpp::wrap(net::zstd_missing()); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_listen(SEXP engine, SEXP address, SEXP port) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& target = get_engine(engine);
    target.set_port(
        std::make_shared<engine::ClusterPort>(target, string_of(address), static_cast<uint16_t>(Rf_asInteger(port))));
    return Rcpp::List::create(Rcpp::Named("port") = static_cast<int>(target.port()->port()),
                              Rcpp::Named("plan") = target.port()->plan());
  });
}

// The ticket of a group of `count` nodes, which is awaited from now on.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_ticket(SEXP engine, SEXP group, SEXP count, SEXP addresses) {
  return rbridge::door([&]() -> SEXP {
    return Rcpp::wrap(port_of(engine)
                          .ticket(string_of(group), static_cast<uint32_t>(Rf_asInteger(count)),
                                  Rcpp::as<std::vector<std::string>>(addresses))
                          .line());
  });
}

// No node of the group will come any more.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_forget(SEXP engine, SEXP group) {
  return rbridge::door([&]() -> SEXP {
    port_of(engine).forget(string_of(group));
    return R_NilValue;
  });
}

// Starts a local program that brings nodes, with `input` as its standard input. `argv`: its file first. `environment`:
// all of it, "NAME=value". `group`: whose nodes it brings, so that none is awaited when it has ended; "": it only asks
// for them (a batch system's command), and they come later.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_launch(SEXP engine, SEXP argv, SEXP environment, SEXP input, SEXP group) {
  return rbridge::door([&]() -> SEXP {
    sys::SpawnSpec program;
    program.argv = Rcpp::as<std::vector<std::string>>(argv);
    program.path = program.argv.at(0);
    program.environment = Rcpp::as<std::vector<std::string>>(environment);
    const uint32_t id = get_engine(engine).launch(std::move(program), string_of(input), string_of(group));
    return Rf_ScalarInteger(static_cast<int>(id));
  });
}

// `exit_code` and `signal` are NA while it runs; `output` is the end of what it wrote.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_launches(SEXP engine) {
  return rbridge::door([&]() -> SEXP {
    const auto infos = get_engine(engine).launch_infos();
    using Info = engine::LaunchInfo;
    return Rcpp::DataFrame::create(
        Rcpp::Named("id") = column(infos, [](const Info& i) { return static_cast<int>(i.id); }),
        Rcpp::Named("group") = column(infos, [](const Info& i) { return i.group; }),
        Rcpp::Named("pid") = column(infos, [](const Info& i) { return static_cast<int>(i.pid); }),
        Rcpp::Named("running") = column(infos, [](const Info& i) { return i.running; }),
        Rcpp::Named("exit_code") = column(infos, [](const Info& i) { return i.running ? NA_INTEGER : i.exit.code; }),
        Rcpp::Named("signal") = column(infos, [](const Info& i) { return i.running ? NA_INTEGER : i.exit.signal; }),
        Rcpp::Named("output") = column(infos, [](const Info& i) { return i.output; }),
        Rcpp::Named("stringsAsFactors") = false);
  });
}

// Has a node joined that is still here? Asked for each value: cheap.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_has_nodes(SEXP engine) {
  return rbridge::door([&]() -> SEXP { return Rf_ScalarLogical(get_engine(engine).has_joined_nodes() ? 1 : 0); });
}

// Workers of the nodes that are here. Asked for each future: cheap.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_capacity(SEXP engine) {
  return rbridge::door([&]() -> SEXP {
    engine::Engine& nodes = get_engine(engine);
    return Rf_ScalarInteger(nodes.has_joined_nodes() ? static_cast<int>(nodes.capacity()) : 0);
  });
}

// Those that are here, then those that have gone or were refused, with the reason.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_nodes(SEXP engine) {
  return rbridge::door([&]() -> SEXP {
    const auto infos = get_engine(engine).node_infos();
    using Info = engine::NodeInfo;
    return Rcpp::DataFrame::create(
        Rcpp::Named("node") = column(infos, [](const Info& i) { return static_cast<int>(i.id); }),
        Rcpp::Named("group") = column(infos, [](const Info& i) { return engine::identity_of(i.identity).group; }),
        Rcpp::Named("rank") =
            column(infos, [](const Info& i) { return static_cast<int>(engine::identity_of(i.identity).rank); }),
        Rcpp::Named("host") = column(infos, [](const Info& i) { return i.host; }),
        Rcpp::Named("pid") = column(infos, [](const Info& i) { return static_cast<int>(i.pid); }),
        Rcpp::Named("state") = column(infos, [](const Info& i) { return std::string(i.state); }),
        Rcpp::Named("workers") = column(infos, [](const Info& i) { return static_cast<int>(i.workers); }),
        Rcpp::Named("answers") = column(infos, [](const Info& i) { return static_cast<double>(i.answers); }),
        Rcpp::Named("memory") = column(infos, [](const Info& i) { return static_cast<double>(i.memory); }),
        Rcpp::Named("reason") = column(infos, [](const Info& i) { return i.reason; }),
        Rcpp::Named("stringsAsFactors") = false);
  });
}

// The workers of the nodes that are here, as each node has told last; `memory` is 0 where it is not known. A node that
// has not told yet has none.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_workers(SEXP engine) {
  return rbridge::door([&]() -> SEXP {
    auto infos = get_engine(engine).worker_infos();
    using Info = engine::WorkerInfo;
    infos.erase(std::remove_if(infos.begin(), infos.end(), [](const Info& i) { return i.node == 0; }), infos.end());
    return Rcpp::DataFrame::create(
        Rcpp::Named("id") = column(infos, [](const Info& i) { return static_cast<int>(i.id); }),
        Rcpp::Named("node") = column(infos, [](const Info& i) { return static_cast<int>(i.node); }),
        Rcpp::Named("host") = column(infos, [](const Info& i) { return i.host; }),
        Rcpp::Named("pid") = column(infos, [](const Info& i) { return static_cast<int>(i.pid); }),
        Rcpp::Named("state") = column(infos, [](const Info& i) { return std::string(i.state); }),
        Rcpp::Named("answers") = column(infos, [](const Info& i) { return static_cast<double>(i.answers); }),
        Rcpp::Named("memory") = column(infos, [](const Info& i) { return static_cast<double>(i.memory); }),
        Rcpp::Named("stringsAsFactors") = false);
  });
}

// It does what it has, and leaves. FALSE: there is no such node.
// [[Rcpp::export(rng = false)]]
SEXP cpp_cluster_remove(SEXP engine, SEXP node) {
  return rbridge::door([&]() -> SEXP {
    return Rf_ScalarLogical(get_engine(engine).remove_node(static_cast<uint32_t>(Rf_asInteger(node))) ? 1 : 0);
  });
}

// By number: a user need not have a name.
// [[Rcpp::export(rng = false)]]
int cpp_user_id() { return static_cast<int>(::geteuid()); }

// From here on SIGTERM waits until the node can tidy up after it; called without the package's namespace, and so
// returns nothing.
// [[Rcpp::export(rng = false)]]
void cpp_node_hold_end() { sys::hold_signal(SIGTERM); }

// Called without the package's namespace, and so returns nothing. `forked`: an integer to be changed; 0 in this
// process, else this is the child: 1, a template; 2, one that watches its parent.
// [[Rcpp::export(rng = false)]]
void cpp_node_fork_template(SEXP forked) { INTEGER(forked)[0] = static_cast<int>(engine::fork_early_template()); }

// The life of a node; called without the package's namespace, and so returns nothing. `options`: those of an engine,
// with `workers` of its own and `description`. `ending`: list(reason, refused), to be filled in when it is over.
// [[Rcpp::export(rng = false)]]
void cpp_node_run(SEXP ticket, SEXP rank, SEXP attempt, SEXP options, SEXP ending) {
  engine::NodeEnding over;
  try {
    over = live_as_node(rbridge::texts_of(ticket).at(0), Rf_asInteger(rank), Rf_asInteger(attempt),
                        rbridge::NamedList(options));
  } catch (const std::exception& error) {
    over = {error.what(), true};
  }
  SET_VECTOR_ELT(ending, 0, Rf_mkString(over.reason.c_str()));
  SET_VECTOR_ELT(ending, 1, Rf_ScalarLogical(over.refused ? 1 : 0));
}
