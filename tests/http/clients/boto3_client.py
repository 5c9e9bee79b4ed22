"""What boto3 sees of runlet::http: every operation that this boto3 knows and the front door offers."""

import base64
import io
import json
import os
import sys
import time
import unittest
import urllib.error
import urllib.request

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError
except ImportError:
    print("boto3 is not installed")
    sys.exit(77)

ENDPOINT = os.environ["ENDPOINT"]
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def make_client(**config):
    config.setdefault("retries", {"max_attempts": 0})
    config.setdefault("parameter_validation", False)  # what is wrong is for the server to say
    return boto3.client("lambda", endpoint_url=ENDPOINT, config=Config(**config))


LAMBDA = make_client()
STREAMS = hasattr(LAMBDA, "invoke_with_response_stream")
RECURSION = hasattr(LAMBDA, "put_function_recursion_config")


def invoke(name, payload=b"{}", **more):
    return LAMBDA.invoke(FunctionName=name, Payload=payload, **more)


def payload_of(response):
    return response["Payload"].read()


class Case(unittest.TestCase):
    def fails(self, error, operation, *positional, **arguments):
        """`error`: the name of the typed exception; gives what was raised."""
        expected = getattr(LAMBDA.exceptions, error, None)
        with self.assertRaises(expected or ClientError) as raised:
            operation(*positional, **arguments)
        self.assertEqual(raised.exception.response["Error"]["Code"], error)
        return raised.exception


class Invoke(Case):
    def test_payloads_come_back_byte_for_byte(self):
        for text in ('{"b": 1.50, "a": 1e2}', "null", "-0.0", "12345678901234567890", '"\\u00e9\\n"', "[ ]", "true",
                     "1e400", '"\u00e9"'):
            response = invoke("echo", text.encode())
            self.assertEqual(payload_of(response), text.encode())
            self.assertEqual(response["StatusCode"], 200)
            self.assertEqual(response["ExecutedVersion"], "$LATEST")
            self.assertNotIn("FunctionError", response)

    def test_no_payload_is_an_empty_object_and_no_result_is_null(self):
        self.assertEqual(payload_of(LAMBDA.invoke(FunctionName="echo")), b"{}")
        self.assertEqual(payload_of(invoke("nothing")), b"null")

    def test_names_in_all_their_forms(self):
        for name in ("echo", "echo:$LATEST", ARN + "echo", ARN + "echo:$LATEST", "000000000000:function:echo"):
            self.assertEqual(payload_of(invoke(name, b"1")), b"1")
        self.assertEqual(payload_of(invoke("echo", b"1", Qualifier="$LATEST")), b"1")
        error = self.fails("InvalidParameterValueException", invoke, "echo:1", Qualifier="2")
        self.assertIn("derived qualifier", error.response["message"])

    def test_errors_have_their_types_texts_and_keys(self):
        error = self.fails("ResourceNotFoundException", invoke, "nobody")
        self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 404)
        self.assertEqual(error.response["Message"], f"Function not found: {ARN}nobody:$LATEST")
        self.assertEqual(error.response["Type"], "User")
        self.fails("ResourceNotFoundException", invoke, "n" * 65)
        self.fails("ResourceNotFoundException", invoke, "echo", Qualifier="$latest")
        error = self.fails("ResourceNotFoundException", invoke, ARN.replace("us-east-1", "eu-west-1") + "echo")
        self.assertEqual(error.response["Message"],
                         "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
        error = self.fails("InvalidRequestContentException", invoke, "echo", b"{")
        self.assertTrue(error.response["message"].startswith(
            "Could not parse request body into json: Could not parse payload into json: "))
        self.fails("InvalidRequestContentException", invoke, "echo", b'"\xff"')
        self.fails("InvalidRequestContentException", invoke, "echo", b"[" * 2000 + b"]" * 2000)
        error = self.fails("ValidationException", invoke, "echo", Qualifier="a b")
        self.assertNotIn("Type", error.response)
        self.assertIn("at 'qualifier'", error.response["Error"]["Message"])

    def test_a_function_error_is_an_answer(self):
        response = invoke("fail")
        self.assertEqual(response["StatusCode"], 200)
        self.assertEqual(response["FunctionError"], "Unhandled")
        self.assertEqual(payload_of(response),
                         b'{"errorMessage":"boom","errorType":"std::runtime_error","stackTrace":[]}')

    def test_a_timeout_and_a_result_too_large(self):
        response = invoke("slow")
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual(response["FunctionError"], "Unhandled")
        self.assertEqual(payload_of(response).decode(),
                         '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: %s Error: Task timed out after '
                         '1.00 seconds"}' % request)
        self.assertEqual(len(payload_of(invoke("big", b'{"n": 6291556}'))), 6291556)
        self.assertEqual(payload_of(invoke("big", b'{"n": 6291557}')),
                         b'{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded '
                         b'maximum allowed payload size (6291556 bytes)."}')

    def test_payloads_to_the_byte(self):
        most = b'"' + b"x" * (6291456 - 2) + b'"'
        self.assertEqual(payload_of(invoke("echo", most)), most)
        error = self.fails("RequestEntityTooLargeException", invoke, "echo", most + b" ")
        self.assertEqual(error.response["Error"]["Message"],
                         "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
        event = b'"' + b"x" * (1048576 - 2) + b'"'
        self.assertEqual(invoke("nothing", event, InvocationType="Event")["StatusCode"], 202)
        error = self.fails("RequestEntityTooLargeException", invoke, "nothing", event + b" ", InvocationType="Event")
        self.assertEqual(error.response["Error"]["Message"],
                         "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)")

    def test_events_and_dry_runs(self):
        response = invoke("nothing", InvocationType="Event")
        self.assertEqual(response["StatusCode"], 202)
        self.assertEqual(payload_of(response), b"")
        self.assertNotIn("ExecutedVersion", response)
        self.assertEqual(invoke("echo", InvocationType="DryRun")["StatusCode"], 204)
        self.fails("ResourceNotFoundException", invoke, "nobody", InvocationType="Event")
        self.fails("ResourceNotFoundException", invoke, "nobody", InvocationType="DryRun")
        response = LAMBDA.invoke_async(FunctionName="nothing", InvokeArgs=io.BytesIO(b"{}"))
        self.assertEqual(response["Status"], 202)

    def test_client_context_log_and_request_id(self):
        context = '{"custom":{"a":"\u00e9"}}'
        response = invoke("context", ClientContext=base64.b64encode(context.encode()).decode(), LogType="Tail")
        told = json.loads(payload_of(response))
        request = response["ResponseMetadata"]["RequestId"]
        self.assertEqual(told["clientContext"], context)
        self.assertEqual(told["awsRequestId"], request)
        lines = base64.b64decode(response["LogResult"]).decode().splitlines()
        self.assertEqual(lines[0], f"START RequestId: {request} Version: $LATEST")
        self.assertEqual(lines[1], "a line of its own")
        self.assertEqual(lines[2], f"END RequestId: {request}")
        self.assertTrue(lines[3].startswith(f"REPORT RequestId: {request}\tDuration: "))
        self.fails("InvalidRequestContentException", invoke, "context", ClientContext="not base64!")

    def test_a_throttle_says_why(self):
        error = self.fails("TooManyRequestsException", invoke, "closed")
        self.assertEqual(error.response["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
        self.assertEqual(error.response["message"], "Rate Exceeded.")
        self.assertEqual(error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"], "1")
        self.assertEqual(invoke("closed", InvocationType="Event")["StatusCode"], 202)

    def test_a_hundred_calls_side_by_side(self):
        from concurrent.futures import ThreadPoolExecutor

        client = make_client(max_pool_connections=16)
        with ThreadPoolExecutor(16) as pool:
            answers = pool.map(lambda i: payload_of(client.invoke(FunctionName="echo", Payload=str(i))), range(100))
            self.assertEqual(list(answers), [str(i).encode() for i in range(100)])


@unittest.skipUnless(STREAMS, "this boto3 knows no streams")
class Streams(Case):
    def read(self, name, payload=b"{}", **more):
        started = time.monotonic()
        response = LAMBDA.invoke_with_response_stream(FunctionName=name, Payload=payload, **more)
        chunks, complete, first, last = [], None, None, None
        for event in response["EventStream"]:
            if "PayloadChunk" in event:
                first = first or time.monotonic() - started
                chunks.append(event["PayloadChunk"]["Payload"])
            else:
                complete = event["InvokeComplete"]
                last = time.monotonic() - started
        return response, chunks, complete, last - (first or last)

    def test_pieces_come_as_they_are_written(self):
        response, chunks, complete, between = self.read("stream")
        self.assertEqual(chunks, [b"one,", b"two,", b"three"])
        self.assertEqual(complete, {})
        self.assertEqual(response["ExecutedVersion"], "$LATEST")
        self.assertGreater(between, 0.4)  # of 1.2 s between the first piece and the end

    def test_an_error_after_the_first_piece(self):
        _, chunks, complete, _ = self.read("stream", b'"fail"', LogType="Tail")
        self.assertEqual(len(chunks), 3)
        self.assertEqual(complete["ErrorCode"], "Unhandled")
        self.assertEqual(json.loads(complete["ErrorDetails"])["errorMessage"], "broke off")
        self.assertIn(b"Status: error", base64.b64decode(complete["LogResult"]))

    def test_functions_that_do_not_stream(self):
        self.assertEqual(self.read("echo", b"[1]")[1:3], ([b"[1]"], {}))
        _, chunks, complete, _ = self.read("fail")
        self.assertEqual(chunks, [])
        self.assertEqual(json.loads(complete["ErrorDetails"])["errorType"], "std::runtime_error")

    def test_refusals(self):
        stream = LAMBDA.invoke_with_response_stream
        self.fails("ResourceNotFoundException", stream, FunctionName="nobody")
        self.fails("TooManyRequestsException", stream, FunctionName="closed")
        self.fails("ValidationException", stream, FunctionName="echo", InvocationType="Event")

    def test_a_stream_is_the_result_for_those_who_do_not_read_it(self):
        self.assertEqual(payload_of(invoke("stream")), b"one,two,three")


class Functions(Case):
    def test_lists_come_in_pages(self):
        first = LAMBDA.list_functions()
        self.assertEqual(len(first["Functions"]), 50)
        self.assertNotIn("State", first["Functions"][0])
        pages = LAMBDA.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 7})
        names = [function["FunctionName"] for page in pages for function in page["Functions"]]
        self.assertIn("echo", names)
        self.assertEqual(len([name for name in names if name.startswith("one-of-many")]), 70)
        self.assertEqual(len(names), len(set(names)))
        all_versions = LAMBDA.list_functions(FunctionVersion="ALL")["Functions"]
        self.assertTrue(all_versions[0]["FunctionArn"].endswith(":$LATEST"))

    def test_a_function_is_active_at_once(self):
        function = LAMBDA.get_function(FunctionName="echo")
        configuration = function["Configuration"]
        self.assertEqual(configuration["FunctionArn"], ARN + "echo")
        self.assertEqual(configuration["State"], "Active")
        self.assertEqual(configuration["LastUpdateStatus"], "Successful")
        self.assertEqual(configuration["Description"], "Returns its payload")
        self.assertEqual(configuration["Timeout"], 3)
        self.assertRegex(configuration["LastModified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
        self.assertNotIn("Concurrency", function)
        self.assertEqual(LAMBDA.get_function(FunctionName="closed")["Concurrency"],
                         {"ReservedConcurrentExecutions": 0})
        for waiter in ("function_exists", "function_active", "function_updated", "function_active_v2",
                       "function_updated_v2"):
            LAMBDA.get_waiter(waiter).wait(FunctionName="echo", WaiterConfig={"MaxAttempts": 1})
        self.assertEqual(LAMBDA.get_function_configuration(FunctionName=ARN + "echo:$LATEST")["FunctionArn"],
                         ARN + "echo:$LATEST")
        error = self.fails("ResourceNotFoundException", LAMBDA.get_function, FunctionName="nobody")
        self.assertEqual(error.response["Message"], f"Function not found: {ARN}nobody")

    def test_settings_change_in_place(self):
        update = LAMBDA.update_function_configuration
        before = LAMBDA.get_function_configuration(FunctionName="one-of-many-00")
        after = update(FunctionName="one-of-many-00", Timeout=7, MemorySize=256, Description="other",
                       RevisionId=before["RevisionId"])
        self.assertEqual((after["Timeout"], after["MemorySize"], after["Description"]), (7, 256, "other"))
        self.assertNotEqual(after["RevisionId"], before["RevisionId"])
        self.fails("PreconditionFailedException", update, FunctionName="one-of-many-00", Timeout=8,
                   RevisionId=before["RevisionId"])
        self.fails("ValidationException", update, FunctionName="one-of-many-00", Timeout=0)
        self.fails("ValidationException", update, FunctionName="one-of-many-00", MemorySize=127)
        self.fails("ResourceNotFoundException", update, FunctionName="nobody", Timeout=8)
        error = self.fails("InvalidParameterValueException", update, FunctionName="one-of-many-00",
                           Environment={"Variables": {"A": "1"}})
        self.assertIn("Environment", error.response["message"])

    def test_what_a_program_cannot_do_says_why(self):
        error = self.fails("InvalidParameterValueException", LAMBDA.create_function, FunctionName="new",
                           Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": b"zip"}, Runtime="python3.9",
                           Handler="a.b")
        self.assertIn("Engine::Register", error.response["message"])
        self.fails("InvalidParameterValueException", LAMBDA.update_function_code, FunctionName="echo", ZipFile=b"zip")
        self.fails("InvalidParameterValueException", LAMBDA.create_event_source_mapping, FunctionName="echo",
                   EventSourceArn="arn:aws:sqs:us-east-1:000000000000:q")
        self.assertEqual(LAMBDA.list_event_source_mappings()["EventSourceMappings"], [])
        self.fails("ResourceNotFoundException", LAMBDA.get_policy, FunctionName="echo")
        self.assertEqual(LAMBDA.list_layers()["Layers"], [])

    def test_functions_and_versions_go(self):
        LAMBDA.publish_version(FunctionName="doomed")
        LAMBDA.delete_function(FunctionName="doomed", Qualifier="1")
        self.fails("ResourceNotFoundException", invoke, "doomed:1")
        LAMBDA.delete_function(FunctionName="doomed")
        self.fails("ResourceNotFoundException", LAMBDA.delete_function, FunctionName="doomed")

    def test_the_account(self):
        settings = LAMBDA.get_account_settings()
        self.assertEqual(settings["AccountLimit"]["ConcurrentExecutions"], 100)
        self.assertGreater(settings["AccountUsage"]["FunctionCount"], 50)

    def test_tags(self):
        arn = ARN + "one-of-many-02"
        self.assertEqual(LAMBDA.list_tags(Resource=arn)["Tags"], {})
        LAMBDA.tag_resource(Resource=arn, Tags={"team": "\u00e9", "stage": "test"})
        self.assertEqual(LAMBDA.list_tags(Resource=arn)["Tags"], {"team": "\u00e9", "stage": "test"})
        self.assertEqual(LAMBDA.get_function(FunctionName="one-of-many-02")["Tags"]["stage"], "test")
        LAMBDA.untag_resource(Resource=arn, TagKeys=["team", "stage"])
        self.assertEqual(LAMBDA.list_tags(Resource=arn)["Tags"], {})
        self.fails("ResourceNotFoundException", LAMBDA.list_tags, Resource=ARN + "nobody")

    @unittest.skipUnless(RECURSION, "this boto3 knows no recursion configuration")
    def test_recursion(self):
        get = LAMBDA.get_function_recursion_config
        self.assertEqual(get(FunctionName="one-of-many-03")["RecursiveLoop"], "Terminate")
        LAMBDA.put_function_recursion_config(FunctionName="one-of-many-03", RecursiveLoop="Allow")
        self.assertEqual(get(FunctionName="one-of-many-03")["RecursiveLoop"], "Allow")


class Concurrency(Case):
    def test_reserved(self):
        name = "one-of-many-10"
        self.assertNotIn("ReservedConcurrentExecutions", LAMBDA.get_function_concurrency(FunctionName=name))
        put = LAMBDA.put_function_concurrency
        self.assertEqual(put(FunctionName=name, ReservedConcurrentExecutions=3)["ReservedConcurrentExecutions"], 3)
        self.assertEqual(LAMBDA.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"], 3)
        error = self.fails("InvalidParameterValueException", put, FunctionName=name, ReservedConcurrentExecutions=91)
        self.assertEqual(error.response["Error"]["Message"],
                         "Specified ReservedConcurrentExecutions for function decreases account's "
                         "UnreservedConcurrentExecution below its minimum value of [10].")
        put(FunctionName=name, ReservedConcurrentExecutions=0)
        self.fails("TooManyRequestsException", invoke, name)
        LAMBDA.delete_function_concurrency(FunctionName=name)
        self.assertEqual(payload_of(invoke(name)), b"null")
        self.fails("InvalidParameterValueException", put, FunctionName=name + ":$LATEST",
                   ReservedConcurrentExecutions=1)
        self.fails("ResourceNotFoundException", put, FunctionName="nobody", ReservedConcurrentExecutions=1)

    def test_provisioned(self):
        name = "one-of-many-11"
        version = LAMBDA.publish_version(FunctionName=name)["Version"]
        put, get = LAMBDA.put_provisioned_concurrency_config, LAMBDA.get_provisioned_concurrency_config
        self.fails("ProvisionedConcurrencyConfigNotFoundException", get, FunctionName=name, Qualifier=version)
        self.fails("InvalidParameterValueException", put, FunctionName=name, Qualifier="$LATEST",
                   ProvisionedConcurrentExecutions=1)
        answer = put(FunctionName=name, Qualifier=version, ProvisionedConcurrentExecutions=2)
        self.assertEqual(answer["RequestedProvisionedConcurrentExecutions"], 2)
        answer = get(FunctionName=name, Qualifier=version)
        self.assertEqual((answer["Status"], answer["AllocatedProvisionedConcurrentExecutions"]), ("READY", 2))
        self.assertRegex(answer["LastModified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
        listed = LAMBDA.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
        self.assertEqual([each["FunctionArn"] for each in listed], [f"{ARN}{name}:{version}"])
        self.fails("InvalidParameterValueException", put, FunctionName=name, Qualifier=version,
                   ProvisionedConcurrentExecutions=1000)
        LAMBDA.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=version)
        self.fails("ProvisionedConcurrencyConfigNotFoundException", get, FunctionName=name, Qualifier=version)


class EventInvoke(Case):
    def test_put_replaces_and_update_merges(self):
        name = "one-of-many-20"
        put, update = LAMBDA.put_function_event_invoke_config, LAMBDA.update_function_event_invoke_config
        get = LAMBDA.get_function_event_invoke_config
        error = self.fails("ResourceNotFoundException", get, FunctionName=name)
        self.assertEqual(error.response["Message"], f"The function {ARN}{name}:$LATEST doesn't have an EventInvokeConfig")
        answer = put(FunctionName=name, MaximumRetryAttempts=1)
        self.assertEqual(answer["FunctionArn"], f"{ARN}{name}:$LATEST")
        self.assertEqual(answer["MaximumRetryAttempts"], 1)
        self.assertNotIn("MaximumEventAgeInSeconds", answer)
        self.assertEqual(answer["DestinationConfig"], {"OnSuccess": {}, "OnFailure": {}})
        self.assertLess(abs(answer["LastModified"].timestamp() - time.time()), 60)
        answer = update(FunctionName=name, MaximumEventAgeInSeconds=60,
                        DestinationConfig={"OnFailure": {"Destination": ARN + "nothing"}})
        self.assertEqual((answer["MaximumRetryAttempts"], answer["MaximumEventAgeInSeconds"]), (1, 60))
        self.assertEqual(answer["DestinationConfig"]["OnFailure"]["Destination"], ARN + "nothing")
        answer = put(FunctionName=name, MaximumEventAgeInSeconds=120)
        self.assertNotIn("MaximumRetryAttempts", answer)
        self.assertEqual(answer["DestinationConfig"]["OnFailure"], {})
        self.assertEqual(len(LAMBDA.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]), 1)
        LAMBDA.delete_function_event_invoke_config(FunctionName=name)
        self.fails("ResourceNotFoundException", get, FunctionName=name)
        self.fails("ResourceNotFoundException", LAMBDA.delete_function_event_invoke_config, FunctionName=name)

    def test_what_cannot_be(self):
        name = "one-of-many-21"
        put = LAMBDA.put_function_event_invoke_config
        self.fails("InvalidParameterValueException", put, FunctionName=name)
        self.fails("ValidationException", put, FunctionName=name, MaximumRetryAttempts=3)
        self.fails("ValidationException", put, FunctionName=name, MaximumEventAgeInSeconds=59)
        self.fails("ValidationException", put, FunctionName=name, MaximumEventAgeInSeconds=21601)
        for destination in (ARN + name, ARN + "nobody", "arn:aws:sqs:us-east-1:000000000000:q"):
            self.fails("InvalidParameterValueException", put, FunctionName=name,
                       DestinationConfig={"OnSuccess": {"Destination": destination}})
        error = self.fails("ResourceNotFoundException", put, FunctionName="nobody", MaximumRetryAttempts=1)
        self.assertEqual(error.response["Message"], "The function doesn't exist.")


class Versions(Case):
    def test_versions_and_aliases(self):
        name = "echo"
        first = LAMBDA.publish_version(FunctionName=name, Description="the first")
        self.assertEqual((first["Version"], first["FunctionArn"], first["Description"]),
                         ("1", f"{ARN}{name}:1", "the first"))
        self.assertEqual(LAMBDA.publish_version(FunctionName=name)["Version"], "1")
        LAMBDA.update_function_configuration(FunctionName=name, Timeout=4)
        self.assertEqual(LAMBDA.publish_version(FunctionName=name)["Version"], "2")
        LAMBDA.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="2")
        pages = LAMBDA.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        self.assertEqual([each["Version"] for page in pages for each in page["Versions"]], ["$LATEST", "1", "2"])
        pages = LAMBDA.get_paginator("list_versions_by_function").paginate(FunctionName=name,
                                                                           PaginationConfig={"PageSize": 1})
        self.assertEqual([each["Version"] for page in pages for each in page["Versions"]], ["$LATEST", "1", "2"])

        create, get, update = LAMBDA.create_alias, LAMBDA.get_alias, LAMBDA.update_alias
        alias = create(FunctionName=name, Name="live", FunctionVersion="1", Description="in use")
        self.assertEqual((alias["AliasArn"], alias["FunctionVersion"], alias["Description"]),
                         (f"{ARN}{name}:live", "1", "in use"))
        self.assertNotIn("RoutingConfig", alias)
        self.fails("ResourceConflictException", create, FunctionName=name, Name="live", FunctionVersion="1")
        self.fails("ValidationException", create, FunctionName=name, Name="12", FunctionVersion="1")
        self.fails("ResourceNotFoundException", create, FunctionName=name, Name="other", FunctionVersion="99")
        error = self.fails("ResourceNotFoundException", get, FunctionName=name, Name="nobody")
        self.assertEqual(error.response["Message"], f"Cannot find alias arn: {ARN}{name}:nobody")
        self.fails("ResourceNotFoundException", update, FunctionName=name, Name="nobody", FunctionVersion="1")
        alias = update(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}})
        self.assertEqual(alias["RoutingConfig"], {"AdditionalVersionWeights": {"2": 0.25}})
        self.assertEqual(get(FunctionName=name, Name="live")["Description"], "in use")
        self.fails("InvalidParameterValueException", update, FunctionName=name, Name="live",
                   RoutingConfig={"AdditionalVersionWeights": {"1": 0.1, "2": 0.1}})
        self.assertEqual([each["Name"] for each in LAMBDA.list_aliases(FunctionName=name)["Aliases"]], ["live"])
        self.assertIn(invoke(name, b"1", Qualifier="live")["ExecutedVersion"], ("1", "2"))
        update(FunctionName=name, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
        self.assertEqual(invoke(f"{ARN}{name}:live", b"1")["ExecutedVersion"], "2")
        self.assertEqual(LAMBDA.get_function(FunctionName=name, Qualifier="live")["Configuration"]["Version"], "2")
        self.fails("ResourceConflictException", LAMBDA.delete_function, FunctionName=name, Qualifier="2")
        LAMBDA.delete_alias(FunctionName=name, Name="live")
        LAMBDA.delete_alias(FunctionName=name, Name="live")
        self.fails("ResourceNotFoundException", invoke, name, Qualifier="live")


class Urls(Case):
    def open(self, config, path, **more):
        # Not every resolver knows names that end with .localhost.
        name = config["FunctionUrl"].split("/")[2]
        request = urllib.request.Request(ENDPOINT + path, headers={"Host": name, **more.pop("headers", {})}, **more)
        return urllib.request.urlopen(request)

    def test_a_function_url(self):
        create = LAMBDA.create_function_url_config
        config = create(FunctionName="page", AuthType="NONE", Cors={"AllowOrigins": ["*"], "AllowMethods": ["GET"]})
        self.assertRegex(config["FunctionUrl"], r"^http://[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:\d+/$")
        self.assertRegex(config["CreationTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.fails("ResourceConflictException", create, FunctionName="page", AuthType="NONE")
        with self.open(config, "/a%2Fb?x=1", headers={"Origin": "http://there"}) as response:
            self.assertEqual(response.read(), b"<h1>GET /a%2Fb</h1>")
            self.assertEqual(response.headers["content-type"], "text/html")
            self.assertEqual(response.headers["set-cookie"], "seen=yes")
            self.assertEqual(response.headers["access-control-allow-origin"], "http://there")
        updated = LAMBDA.update_function_url_config(FunctionName="page", AuthType="AWS_IAM")
        self.assertEqual(updated["AuthType"], "AWS_IAM")
        self.assertEqual(LAMBDA.get_function_url_config(FunctionName="page")["AuthType"], "AWS_IAM")
        self.assertEqual(len(LAMBDA.list_function_url_configs(FunctionName="page")["FunctionUrlConfigs"]), 1)
        LAMBDA.delete_function_url_config(FunctionName="page")
        self.fails("ResourceNotFoundException", LAMBDA.get_function_url_config, FunctionName="page")
        with self.assertRaises(urllib.error.HTTPError):
            self.open(config, "/")

    def test_results_as_responses(self):
        config = LAMBDA.create_function_url_config(FunctionName="fail", AuthType="NONE")
        with self.assertRaises(urllib.error.HTTPError) as raised:
            self.open(config, "/")
        self.assertEqual((raised.exception.code, raised.exception.read()), (502, b"Internal Server Error"))
        config = LAMBDA.create_function_url_config(FunctionName="echo", AuthType="NONE")
        with self.open(config, "/p?q=1&q=2", data=b"hello", headers={"Content-Type": "text/plain", "Cookie": "a=1; b=2"},
                       method="POST") as response:
            event = json.loads(response.read())
        self.assertEqual(event["version"], "2.0")
        self.assertEqual(event["rawQueryString"], "q=1&q=2")
        self.assertEqual(event["queryStringParameters"], {"q": "1,2"})
        self.assertEqual(event["cookies"], ["a=1", "b=2"])
        self.assertEqual((event["body"], event["isBase64Encoded"]), ("hello", False))
        self.assertEqual(event["requestContext"]["http"]["method"], "POST")
        self.assertEqual(event["requestContext"]["requestId"], response.headers["x-amzn-requestid"])

    def test_a_streamed_page(self):
        for mode in ("BUFFERED", "RESPONSE_STREAM"):
            mode = {"InvokeMode": mode} if STREAMS else {}
            config = LAMBDA.create_function_url_config(FunctionName="stream-page", AuthType="NONE", **mode)
            with self.open(config, "/") as response:
                self.assertEqual((response.status, response.read()), (201, b"<h1>streamed</h1>"))
                self.assertEqual(response.headers.get_all("set-cookie"), ["a=1", "b=2"])
            LAMBDA.delete_function_url_config(FunctionName="stream-page")


@unittest.skipUnless("signed" in sys.argv, "nobody looks at signatures here")
class Signatures(Case):
    def client(self, key, secret):
        return boto3.client("lambda", endpoint_url=ENDPOINT, aws_access_key_id=key, aws_secret_access_key=secret,
                            config=Config(retries={"max_attempts": 0}))

    def test_a_key_calls_its_own_functions_alone(self):
        other = self.client("other", "secret")
        self.assertEqual(payload_of(other.invoke(FunctionName="echo", Payload=b"1")), b"1")
        self.assertEqual([each["FunctionName"] for each in other.list_functions()["Functions"]], ["echo"])
        error = self.fails("AccessDeniedException", other.invoke, FunctionName="fail")
        self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 403)
        self.fails("AccessDeniedException", other.get_function, FunctionName=ARN + "fail")
        self.fails("AccessDeniedException", other.put_function_event_invoke_config, FunctionName="echo",
                   DestinationConfig={"OnFailure": {"Destination": ARN + "fail"}})
        self.fails("AccessDeniedException", other.create_function_url_config, FunctionName="echo", AuthType="NONE")
        self.fails("AccessDeniedException", other.delete_function, FunctionName="echo")

    def test_others_are_turned_away(self):
        self.fails("InvalidSignatureException", self.client("test", "wrong").invoke, FunctionName="echo")
        self.fails("UnrecognizedClientException", self.client("nobody", "test").invoke, FunctionName="echo")


@unittest.skipIf("signed" in sys.argv, "what is not signed is turned away")
class Wire(Case):
    def test_an_unknown_route_is_a_json_error_and_keeps_the_connection(self):
        import http.client

        connection = http.client.HTTPConnection(ENDPOINT.split("/")[2])
        for _ in range(2):
            connection.request("GET", "/2099-01-01/nothing")
            response = connection.getresponse()
            self.assertEqual(response.status, 404)
            self.assertEqual(response.headers["x-amzn-errortype"], "UnknownOperationException")
            self.assertIn("message", json.loads(response.read()))
            self.assertIsNone(response.headers["connection"])


unittest.main(argv=sys.argv[:1], warnings="ignore")
