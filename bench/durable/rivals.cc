#include "bench/durable/rivals.h"

#include <cstdio>
#include <cstdlib>

#if defined(RUNLET_HAS_HIREDIS)
#include <hiredis/hiredis.h>
#endif
#if defined(RUNLET_HAS_LIBPQ)
#include <libpq-fe.h>
#endif

namespace runlet::bench {
namespace {

[[maybe_unused]] void Expect(bool ok, const char* server, const char* says) {
  if (ok) return;
  std::fprintf(stderr, "%s: %s\n", server, says);
  std::abort();
}

#if defined(RUNLET_HAS_HIREDIS)
// A stream with one group of consumers. What its acknowledgement promises is up to appendfsync.
class Redis final : public Rival {
 public:
  explicit Redis(const char* socket) : context_(redisConnectUnix(socket)) {
    Expect(context_ != nullptr && context_->err == 0, "redis", context_ == nullptr ? "no memory" : context_->errstr);
    freeReplyObject(redisCommand(context_, "XGROUP CREATE events workers 0 MKSTREAM"));  // fails when it is there
  }
  ~Redis() override { redisFree(context_); }

  void Put(const std::string& payload) override {
    freeReplyObject(Answer(redisCommand(context_, "XADD events * payload %b", payload.data(), payload.size())));
  }
  bool ClaimAndEnd() override {
    redisReply* const got = Answer(redisCommand(context_, "XREADGROUP GROUP workers w COUNT 1 STREAMS events >"));
    const bool any = got->type == REDIS_REPLY_ARRAY && got->elements > 0;
    if (any) {
      const char* const id = got->element[0]->element[1]->element[0]->element[0]->str;
      freeReplyObject(Answer(redisCommand(context_, "XACK events workers %s", id)));
      freeReplyObject(Answer(redisCommand(context_, "XDEL events %s", id)));
    }
    freeReplyObject(got);
    return any;
  }
  void Clear() override { freeReplyObject(Answer(redisCommand(context_, "DEL events"))); }

 private:
  redisReply* Answer(void* reply) {
    auto* const answer = static_cast<redisReply*>(reply);
    Expect(answer != nullptr, "redis", context_->errstr);
    Expect(answer->type != REDIS_REPLY_ERROR, "redis", answer->str);
    return answer;
  }
  redisContext* const context_;
};
#endif

#if defined(RUNLET_HAS_LIBPQ)
// A table, claimed with SKIP LOCKED.
class PostgreSql final : public Rival {
 public:
  explicit PostgreSql(const char* connection) : db_(PQconnectdb(connection)) {
    Expect(PQstatus(db_) == CONNECTION_OK, "postgresql", PQerrorMessage(db_));
    Run("SET client_min_messages = warning");
    Run("SELECT pg_advisory_lock(1)");  // two who create one table at once would clash
    Run("CREATE TABLE IF NOT EXISTS event (seq bigserial PRIMARY KEY, due timestamptz, payload bytea NOT NULL)");
    Run("SELECT pg_advisory_unlock(1)");
    PQclear(Answer(PQprepare(db_, "put", "INSERT INTO event (payload) VALUES ($1)", 1, nullptr)));
    PQclear(Answer(PQprepare(db_, "end",
                             "DELETE FROM event WHERE seq = (SELECT seq FROM event WHERE due IS NULL ORDER BY seq "
                             "FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING payload",
                             0, nullptr)));
  }
  ~PostgreSql() override { PQfinish(db_); }

  void Put(const std::string& payload) override {
    const char* const value = payload.data();
    const int length = static_cast<int>(payload.size());
    const int binary = 1;
    PQclear(Answer(PQexecPrepared(db_, "put", 1, &value, &length, &binary, 1)));
  }
  bool ClaimAndEnd() override {
    PGresult* const got = Answer(PQexecPrepared(db_, "end", 0, nullptr, nullptr, nullptr, 1));
    const bool any = PQntuples(got) > 0;
    PQclear(got);
    return any;
  }
  void Clear() override { Run("TRUNCATE event"); }

 private:
  void Run(const char* sql) { PQclear(Answer(PQexec(db_, sql))); }
  PGresult* Answer(PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    Expect(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "postgresql", PQerrorMessage(db_));
    return result;
  }
  PGconn* const db_;
};
#endif

}  // namespace

std::vector<std::pair<std::string, RivalMaker>> Rivals() {
  std::vector<std::pair<std::string, RivalMaker>> rivals;
#if defined(RUNLET_HAS_HIREDIS)
  if (const char* const socket = std::getenv("RUNLET_BENCH_REDIS")) {
    rivals.emplace_back("redis", [socket] { return std::make_unique<Redis>(socket); });
  }
#endif
#if defined(RUNLET_HAS_LIBPQ)
  if (const char* const connection = std::getenv("RUNLET_BENCH_POSTGRESQL")) {
    rivals.emplace_back("postgresql", [connection] { return std::make_unique<PostgreSql>(connection); });
  }
#endif
  return rivals;
}

}  // namespace runlet::bench
