#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/node_channel.h"
#include "sys/fd.h"

namespace avenir::engine {

// What a node is, beside its engine: takes work from the session, has the engine do it, sends the answers as they come.
//
// Lives on the engine's I/O thread (Companion), so that nothing waits for another thread to wake up. It ends for good
// when the session says so, hangs up or falls silent; whoever waits for that ends the engine then.
class NodeAgent final : public Companion {
 public:
  // How it ended, for another thread.
  class End {
   public:
    // Becomes readable.
    int fd() const { return wake_.fd(); }
    // Empty: it has not.
    std::string reason();
    bool refused();
    // Asks it to leave, and to tell the session why.
    void ask(const std::string& reason);
    // What makes the engine give the agent its turn.
    void when_asked(std::function<void()> wake) { wake_agent_ = std::move(wake); }

   private:
    friend class NodeAgent;
    void set(const std::string& reason, bool refused);
    std::string asked();

    std::mutex mutex_;
    sys::WakeUp wake_;
    std::string reason_, asked_;
    bool refused_ = false;
    std::function<void()> wake_agent_;  // the asking thread's
  };

  // Sends the hello. `engine` has EngineOptions::hands_over and no workers yet; it gets them with the session's
  // welcome, as many as the hello says. After so many seconds without a welcome the node ends.
  NodeAgent(Engine& engine, std::unique_ptr<sys::ByteStream> stream, const wire::NodeHello& hello,
            std::shared_ptr<End> end, double patience = 60);

  int fd() const override { return channel_.fd(); }
  bool wants_write() const override { return wants_write_; }
  bool is_over() const override { return over_; }
  base::Deadline turn(bool readable) override;
  void abandon() override { channel_.abandon(); }

 private:
  // The engine's job that does some work.
  struct Work {
    uint64_t job = 0, left = 0, map = 0;
    bool stops = false;  // an error ends the map
    uint64_t stopped;    // from this element on; what the session knows
    std::vector<wire::ThingId> segments;
  };
  struct Context {
    MapContext shared;
    std::vector<wire::ThingId> segments;
  };

  void receive();
  void handle(wire::Frame& frame);
  void welcome(const wire::NodeWelcome& welcome);
  void begin_task(uint64_t number, const base::SharedBytes& body);
  void begin_batch(uint64_t number, const base::SharedBytes& body);
  void keep_context(uint64_t map, const base::SharedBytes& body);
  void begin(uint64_t number, Work work);
  void forget(uint64_t number);
  shm::Segments segments_of(const std::vector<wire::ThingId>& names);
  void send_news();
  void send_answer(Work& work, wire::Answer& answer, base::ByteWriter& body);
  void send_stops(const std::vector<uint64_t>& touched);
  void send_status();
  void flush();
  void end(const std::string& reason, bool refused = false);

  Engine& engine_;
  NodeChannel channel_;
  const std::shared_ptr<End> end_;
  const unsigned workers_, cores_;
  wire::NodeWelcome limits_;
  bool welcomed_ = false, wants_write_ = false, over_ = false;
  bool more_ = false;  // has come and waits to be received
  base::Deadline welcome_by_;
  std::map<uint64_t, Work> works_;          // by number
  std::map<uint64_t, uint64_t> number_of_;  // by job
  std::map<uint64_t, Context> contexts_;    // by map
  std::map<wire::ThingId, shm::SharedSegment> segments_;
};

}  // namespace avenir::engine
