// The yardstick of durable queues: bare logs, appended to by group commit. They forget nothing, and can do nothing
// else.
#ifndef RUNLET_BENCH_DURABLE_APPEND_LOG_H_
#define RUNLET_BENCH_DURABLE_APPEND_LOG_H_

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace runlet::bench {

// Records that are to be written together.
class LogFile {
 public:
  LogFile(const std::string& path, bool syncs)
      : file_(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600)), syncs_(syncs) {
    if (file_ < 0) std::abort();
  }
  ~LogFile() { close(file_); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  static void AddRecord(std::string_view record, std::string* batch) {
    const auto length = static_cast<std::uint32_t>(record.size());
    batch->append(reinterpret_cast<const char*>(&length), sizeof(length)).append(record);
  }
  void Write(std::string_view batch) {
    while (!batch.empty()) {
      const ssize_t written = write(file_, batch.data(), batch.size());
      if (written <= 0) std::abort();
      batch.remove_prefix(static_cast<std::size_t>(written));
    }
    if (syncs_ && fdatasync(file_) != 0) std::abort();
  }

 private:
  const int file_;
  const bool syncs_;
};

// One thread writes what waits, and syncs once for all of it. Thread-safe.
class WriterLog {
 public:
  WriterLog(const std::string& path, bool syncs) : file_(path, syncs), writer_([this] { Run(); }) {}
  ~WriterLog() {
    {
      const std::lock_guard<std::mutex> lock(mu_);
      ended_ = true;
    }
    wake_.notify_one();
    writer_.join();
  }

  // Returns once the record is written, and synced.
  void Append(std::string_view record) {
    std::uint64_t mine = 0;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      LogFile::AddRecord(record, &waiting_);
      mine = batch_;
    }
    wake_.notify_one();
    for (std::uint64_t done = done_.load(); done < mine; done = done_.load()) done_.wait(done);
  }

 private:
  void Run() {
    std::string batch;
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      wake_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      batch.clear();
      std::swap(batch, waiting_);
      const std::uint64_t number = batch_++;
      lock.unlock();
      file_.Write(batch);
      done_.store(number);
      done_.notify_all();
      lock.lock();
    }
  }

  LogFile file_;
  std::mutex mu_;
  std::condition_variable wake_;
  std::string waiting_;  // of batch_
  std::uint64_t batch_ = 1;
  bool ended_ = false;
  std::atomic<std::uint64_t> done_{0};
  std::thread writer_;
};

// Nobody has a thread for it: whoever finds nobody writing writes what all have brought meanwhile. Thread-safe.
class LedLog {
 public:
  LedLog(const std::string& path, bool syncs) : file_(path, syncs) {}

  // Returns once the record is written, and synced.
  void Append(std::string_view record) {
    std::unique_lock<std::mutex> lock(mu_);
    LogFile::AddRecord(record, &waiting_);
    const std::uint64_t mine = batch_;
    if (!std::exchange(led_, true)) return Lead(std::move(lock));
    lock.unlock();
    for (std::uint64_t done = done_.load(); done < mine; done = done_.load()) {
      std::uint64_t wanted = mine;
      if (leader_wanted_.compare_exchange_strong(wanted, 0)) return Lead(std::unique_lock<std::mutex>(mu_));
      done_.wait(done);
    }
  }

 private:
  // Writes the batch that waits; the next one, if there is any, gets a leader of its own.
  void Lead(std::unique_lock<std::mutex> lock) {
    std::string batch = std::exchange(waiting_, std::move(spare_));
    waiting_.clear();
    const std::uint64_t number = batch_++;
    lock.unlock();
    file_.Write(batch);
    lock.lock();
    spare_ = std::move(batch);
    led_ = !waiting_.empty();
    if (led_) leader_wanted_.store(batch_);
    done_.store(number);  // under the lock, so that it does not go back
    lock.unlock();
    done_.notify_all();
  }

  LogFile file_;
  std::mutex mu_;
  std::string waiting_;  // of batch_
  std::string spare_;
  std::uint64_t batch_ = 1;
  bool led_ = false;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> leader_wanted_{0};
};

}  // namespace runlet::bench

#endif  // RUNLET_BENCH_DURABLE_APPEND_LOG_H_
