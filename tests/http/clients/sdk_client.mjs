// What the AWS SDK for JavaScript sees of runlet::http: every operation of the front door, with its own retries, waiters,
// paginators and typed exceptions.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

let sdk;
try {
  sdk = await import(createRequire(process.env.SDK_HOME + "/").resolve("@aws-sdk/client-lambda"));
} catch {
  console.log("@aws-sdk/client-lambda is not installed");
  process.exit(77);
}
sdk = sdk.default ?? sdk;

const endpoint = process.env.ENDPOINT;
const arn = "arn:aws:lambda:us-east-1:000000000000:function:";
const makeClient = (more = {}) => new sdk.LambdaClient({ endpoint, region: "us-east-1", maxAttempts: 1, ...more });
const client = makeClient();
const send = (command, input) => client.send(new sdk[command + "Command"](input));
const text = (bytes) => Buffer.from(bytes).toString();

async function fails(error, command, input) {
  try {
    await send(command, input);
  } catch (raised) {
    assert.equal(raised.name, error);
    if (sdk[error]) assert.ok(raised instanceof sdk[error], `${error} is typed`);
    return raised;
  }
  assert.fail(`${command} did not fail with ${error}`);
}

test("payloads come back byte for byte", async () => {
  for (const payload of ['{"b": 1.50, "a": 1e2}', "null", "-0.0", "12345678901234567890", '"\\u00e9"', "[ ]", '"é"']) {
    const answer = await send("Invoke", { FunctionName: "echo", Payload: payload });
    assert.equal(text(answer.Payload), payload);
    assert.equal(answer.StatusCode, 200);
    assert.equal(answer.FunctionError, undefined);
  }
  assert.equal(text((await send("Invoke", { FunctionName: "echo" })).Payload), "{}");
  const most = '"' + "x".repeat(6291456 - 2) + '"';
  assert.equal((await send("Invoke", { FunctionName: "echo", Payload: most })).Payload.length, 6291456);
});

test("names in all their forms", async () => {
  for (const FunctionName of ["echo", "echo:$LATEST", arn + "echo", arn + "echo:$LATEST", "000000000000:function:echo"]) {
    const answer = await send("Invoke", { FunctionName, Payload: "1" });
    assert.equal(answer.ExecutedVersion, "$LATEST");
  }
});

test("errors have their types", async () => {
  const missing = await fails("ResourceNotFoundException", "Invoke", { FunctionName: "nobody" });
  assert.equal(missing.$metadata.httpStatusCode, 404);
  assert.equal(missing.message, `Function not found: ${arn}nobody:$LATEST`);
  assert.equal(missing.Type, "User");
  await fails("InvalidRequestContentException", "Invoke", { FunctionName: "echo", Payload: "{" });
  await fails("InvalidParameterValueException", "Invoke", { FunctionName: "echo:1", Qualifier: "2" });
  await fails("ValidationException", "Invoke", { FunctionName: "echo", Qualifier: "a b" });
  const big = '"' + "x".repeat(6291456 - 1) + '"';
  const large = await fails("RequestEntityTooLargeException", "Invoke", { FunctionName: "echo", Payload: big });
  assert.equal(large.$metadata.attempts, 1);  // the answer came, no broken connection
});

test("function errors are answers", async () => {
  const failed = await send("Invoke", { FunctionName: "fail" });
  assert.equal(failed.FunctionError, "Unhandled");
  assert.deepEqual(JSON.parse(text(failed.Payload)), {
    errorMessage: "boom", errorType: "std::runtime_error", stackTrace: [],
  });
  const late = await send("Invoke", { FunctionName: "slow" });
  assert.equal(JSON.parse(text(late.Payload)).errorType, "Sandbox.Timedout");
});

test("events, dry runs, client context, log tail and request id", async () => {
  const event = await send("Invoke", { FunctionName: "nothing", InvocationType: "Event" });
  assert.equal(event.StatusCode, 202);
  assert.equal((await send("Invoke", { FunctionName: "echo", InvocationType: "DryRun" })).StatusCode, 204);
  const context = '{"custom":{"a":1}}';
  const answer = await send("Invoke", {
    FunctionName: "context", LogType: "Tail", ClientContext: Buffer.from(context).toString("base64"),
  });
  const told = JSON.parse(text(answer.Payload));
  assert.equal(told.clientContext, context);
  assert.equal(told.awsRequestId, answer.$metadata.requestId);
  const log = Buffer.from(answer.LogResult, "base64").toString();
  assert.match(log, /^START RequestId: \S+ Version: \$LATEST\na line of its own\nEND RequestId: \S+\nREPORT /);
});

test("a throttle says why and when to come back", async () => {
  const throttled = await fails("TooManyRequestsException", "Invoke", { FunctionName: "closed" });
  assert.equal(throttled.Reason, "ReservedFunctionConcurrentInvocationLimitExceeded");
  assert.equal(throttled.retryAfterSeconds, "1");
  const patient = makeClient({ maxAttempts: 2 });
  const started = Date.now();
  await assert.rejects(patient.send(new sdk.InvokeCommand({ FunctionName: "closed" })));
  assert.ok(Date.now() - started >= 900, "the SDK waits as told");
});

async function readStream(input) {
  const answer = await send("InvokeWithResponseStream", input);
  const chunks = [];
  let complete;
  let first;
  for await (const event of answer.EventStream) {
    if (event.PayloadChunk) {
      first ??= Date.now();
      chunks.push(text(event.PayloadChunk.Payload));
    }
    complete = event.InvokeComplete ?? complete;
  }
  return { answer, chunks, complete, between: Date.now() - first };
}

test("streams come piece by piece", async () => {
  const { answer, chunks, complete, between } = await readStream({ FunctionName: "stream" });
  assert.deepEqual(chunks, ["one,", "two,", "three"]);
  assert.deepEqual(complete, {});
  assert.equal(answer.ExecutedVersion, "$LATEST");
  assert.equal(answer.ResponseStreamContentType, "application/vnd.amazon.eventstream");
  assert.ok(between > 400);  // of 1.2 s between the first piece and the end
});

test("an error after the first piece, and before", async () => {
  const late = await readStream({ FunctionName: "stream", Payload: '"fail"', LogType: "Tail" });
  assert.equal(late.chunks.length, 3);
  assert.equal(late.complete.ErrorCode, "Unhandled");
  assert.equal(JSON.parse(late.complete.ErrorDetails).errorMessage, "broke off");
  assert.match(Buffer.from(late.complete.LogResult, "base64").toString(), /Status: error/);
  const early = await readStream({ FunctionName: "fail" });
  assert.deepEqual(early.chunks, []);
  assert.equal(early.complete.ErrorCode, "Unhandled");
  assert.deepEqual((await readStream({ FunctionName: "echo", Payload: "[1]" })).chunks, ["[1]"]);
  await fails("ResourceNotFoundException", "InvokeWithResponseStream", { FunctionName: "nobody" });
});

test("functions, pages and waiters", async () => {
  const names = [];
  for await (const page of sdk.paginateListFunctions({ client, pageSize: 9 }, {})) {
    names.push(...page.Functions.map((each) => each.FunctionName));
  }
  assert.equal(names.filter((name) => name.startsWith("one-of-many")).length, 70);
  assert.equal((await send("ListFunctions", {})).Functions.length, 50);
  const got = await send("GetFunction", { FunctionName: "echo" });
  assert.equal(got.Configuration.State, "Active");
  assert.match(got.Configuration.LastModified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
  for (const wait of [sdk.waitUntilFunctionActiveV2, sdk.waitUntilFunctionUpdatedV2, sdk.waitUntilFunctionExists]) {
    const result = await wait({ client, maxWaitTime: 5 }, { FunctionName: "echo" });
    assert.equal(result.state, "SUCCESS");
  }
  const changed = await send("UpdateFunctionConfiguration", { FunctionName: "one-of-many-30", Timeout: 9 });
  assert.equal(changed.Timeout, 9);
  await fails("PreconditionFailedException", "UpdateFunctionConfiguration", {
    FunctionName: "one-of-many-30", Timeout: 8, RevisionId: "other",
  });
  await fails("InvalidParameterValueException", "UpdateFunctionCode", {
    FunctionName: "echo", ZipFile: Buffer.from("zip"),
  });
  await fails("InvalidParameterValueException", "CreateFunction", {
    FunctionName: "new", Role: "arn:aws:iam::000000000000:role/r", Code: { ZipFile: Buffer.from("zip") },
  });
  assert.ok((await send("GetAccountSettings", {})).AccountUsage.FunctionCount > 50);
});

test("concurrency", async () => {
  const FunctionName = "one-of-many-31";
  await send("PutFunctionConcurrency", { FunctionName, ReservedConcurrentExecutions: 2 });
  assert.equal((await send("GetFunctionConcurrency", { FunctionName })).ReservedConcurrentExecutions, 2);
  await send("DeleteFunctionConcurrency", { FunctionName });
  const { Version: Qualifier } = await send("PublishVersion", { FunctionName });
  await send("PutProvisionedConcurrencyConfig", { FunctionName, Qualifier, ProvisionedConcurrentExecutions: 1 });
  assert.equal((await send("GetProvisionedConcurrencyConfig", { FunctionName, Qualifier })).Status, "READY");
  const listed = await send("ListProvisionedConcurrencyConfigs", { FunctionName });
  assert.equal(listed.ProvisionedConcurrencyConfigs.length, 1);
  await send("DeleteProvisionedConcurrencyConfig", { FunctionName, Qualifier });
  await fails("ProvisionedConcurrencyConfigNotFoundException", "GetProvisionedConcurrencyConfig", {
    FunctionName, Qualifier,
  });
});

test("event invoke configurations have times that are Dates", async () => {
  const FunctionName = "one-of-many-32";
  const put = await send("PutFunctionEventInvokeConfig", { FunctionName, MaximumRetryAttempts: 0 });
  assert.ok(Math.abs(put.LastModified.getTime() - Date.now()) < 60_000);
  const updated = await send("UpdateFunctionEventInvokeConfig", { FunctionName, MaximumEventAgeInSeconds: 60 });
  assert.equal(updated.MaximumRetryAttempts, 0);
  const got = await send("GetFunctionEventInvokeConfig", { FunctionName });
  assert.equal(got.MaximumEventAgeInSeconds, 60);
  const listed = await send("ListFunctionEventInvokeConfigs", { FunctionName });
  assert.equal(listed.FunctionEventInvokeConfigs[0].FunctionArn, arn + FunctionName + ":$LATEST");
  await send("DeleteFunctionEventInvokeConfig", { FunctionName });
  await fails("ResourceNotFoundException", "GetFunctionEventInvokeConfig", { FunctionName });
});

test("versions and aliases", async () => {
  const FunctionName = "one-of-many-33";
  await send("PublishVersion", { FunctionName });
  await send("UpdateFunctionConfiguration", { FunctionName, Description: "changed" });
  assert.equal((await send("PublishVersion", { FunctionName })).Version, "2");
  await send("CreateAlias", { FunctionName, Name: "live", FunctionVersion: "1" });
  await fails("ResourceConflictException", "CreateAlias", { FunctionName, Name: "live", FunctionVersion: "1" });
  const RoutingConfig = { AdditionalVersionWeights: { 2: 0.5 } };
  assert.deepEqual((await send("UpdateAlias", { FunctionName, Name: "live", RoutingConfig })).RoutingConfig, RoutingConfig);
  assert.equal((await send("GetAlias", { FunctionName, Name: "live" })).FunctionVersion, "1");
  assert.equal((await send("ListAliases", { FunctionName })).Aliases.length, 1);
  assert.equal((await send("ListVersionsByFunction", { FunctionName })).Versions.length, 3);
  await send("DeleteAlias", { FunctionName, Name: "live" });
  await send("DeleteFunction", { FunctionName, Qualifier: "1" });
  await fails("ResourceNotFoundException", "Invoke", { FunctionName, Qualifier: "1" });
});

test("recursion, tags and function URLs", async () => {
  const FunctionName = "one-of-many-34";
  assert.equal((await send("GetFunctionRecursionConfig", { FunctionName })).RecursiveLoop, "Terminate");
  await send("PutFunctionRecursionConfig", { FunctionName, RecursiveLoop: "Allow" });
  assert.equal((await send("GetFunctionRecursionConfig", { FunctionName })).RecursiveLoop, "Allow");
  const Resource = arn + FunctionName;
  await send("TagResource", { Resource, Tags: { a: "1", b: "2" } });
  await send("UntagResource", { Resource, TagKeys: ["a"] });
  assert.deepEqual((await send("ListTags", { Resource })).Tags, { b: "2" });
  const created = await send("CreateFunctionUrlConfig", {
    FunctionName: "page", AuthType: "NONE", InvokeMode: "RESPONSE_STREAM",
  });
  assert.equal(created.InvokeMode, "RESPONSE_STREAM");
  const id = new URL(created.FunctionUrl).hostname.split(".")[0];
  await send("UpdateFunctionUrlConfig", { FunctionName: "page", InvokeMode: "BUFFERED" });
  const page = await fetch(`${endpoint}/lambda-url/${id}/hello`);
  assert.equal(page.headers.get("content-type"), "text/html");
  assert.equal(await page.text(), "<h1>GET /hello</h1>");
  assert.equal((await send("ListFunctionUrlConfigs", { FunctionName: "page" })).FunctionUrlConfigs.length, 1);
  await send("DeleteFunctionUrlConfig", { FunctionName: "page" });
  await fails("ResourceNotFoundException", "GetFunctionUrlConfig", { FunctionName: "page" });
});
