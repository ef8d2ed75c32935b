"""Lambda: functions read back as they were written, and really run."""

import base64
import concurrent.futures
import hashlib
import io
import json
import zipfile

from .base import ANSWERED, Case

# A bootstrap is any program; this one speaks the Runtime API with nothing but Python's own library.
BOOTSTRAP = """#!/usr/bin/env python3
import json, os, sys, time, urllib.request

base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
count = 0
while True:
    with urllib.request.urlopen(base + "next") as got:
        event, id = json.loads(got.read()), got.headers["Lambda-Runtime-Aws-Request-Id"]
    count += 1
    print("event", count, flush=True)
    time.sleep(event.get("sleep", 0))
    if event.get("exit"):
        sys.exit(event["exit"])
    kind = "error" if "errorType" in event else "response"
    answer = event if kind == "error" else {
        "event": event, "count": count, "environment": dict(os.environ),
    }
    data = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(base + id + "/" + kind, data=data)).read()
"""


def code(text=BOOTSTRAP, mode=0o755):
    """A zip with a bootstrap."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = mode << 16
        zipped.writestr(info, text)
    return file.getvalue()


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Functions(Case):
    """Each test in an account of its own."""

    def setUp(self):
        super().setUp()
        self.lambda_ = self.client("lambda")
        self.iam = self.client("iam")
        trusted = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        self.role = self.iam.create_role(
            RoleName="runs", Path="/spore/", AssumeRolePolicyDocument=policy(trusted)
        )["Role"]["Arn"]

    def allow(self, *actions):
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        self.iam.put_role_policy(
            RoleName="runs", PolicyName="own", PolicyDocument=policy(allowed)
        )

    def function(self, name="judged", **more):
        given = {
            "FunctionName": name,
            "Role": self.role,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Code": {"ZipFile": code()},
        }
        made = self.lambda_.create_function(**given | more)
        self.lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
        return made

    def invoke(self, event=None, name="judged", **more):
        payload = {} if event is None else {"Payload": json.dumps(event)}
        answer = self.lambda_.invoke(FunctionName=name, **payload, **more)
        return answer, json.loads(answer["Payload"].read())

    def test_functions_are_read_back(self):
        lambda_, zipped = self.lambda_, code()
        given = {
            "Description": "judged",
            "Timeout": 12,
            "MemorySize": 192,
            "Environment": {"Variables": {"OWN": "1"}},
            "Architectures": ["arm64"],
            "EphemeralStorage": {"Size": 600},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/judged/own"},
            "TracingConfig": {"Mode": "PassThrough"},
            "Layers": ["arn:aws:lambda:us-east-1:999999999999:layer:theirs:2"],
        }
        made = self.function(**given, Tags={"a": "1"}, Code={"ZipFile": zipped})
        arn = f"arn:aws:lambda:us-east-1:{self.account}:function:judged"
        found = lambda_.get_function(FunctionName=arn)
        read = found["Configuration"]
        for name, value in (given | {"FunctionArn": arn, "Role": self.role}).items():
            shown = [layer["Arn"] for layer in read[name]] if name == "Layers" else read[name]
            self.assertEqual(shown, value, name)
        self.assertEqual(
            read["CodeSha256"], base64.b64encode(hashlib.sha256(zipped).digest()).decode()
        )
        self.assertEqual((read["CodeSize"], read["State"]), (len(zipped), "Active"))
        self.assertEqual((found["Tags"], found["Code"]["RepositoryType"]), ({"a": "1"}, "S3"))
        self.assertEqual(read["RevisionId"], made["RevisionId"])
        changed = lambda_.update_function_configuration(
            FunctionName="judged", Timeout=4, Environment={"Variables": {}}, Layers=[]
        )
        self.assertNotIn("Environment", changed)
        self.assertNotIn("Layers", changed)
        self.assertEqual((changed["Timeout"], changed["MemorySize"]), (4, 192))
        self.refused(
            "PreconditionFailedException",
            lambda_.update_function_code,
            FunctionName="judged",
            ZipFile=zipped,
            RevisionId=made["RevisionId"],
        )
        self.assertEqual(
            lambda_.get_function_configuration(FunctionName="judged")["Timeout"], 4
        )
        self.refused("ResourceConflictException", self.function)
        self.function("other")
        names, pages = self.pages(lambda_, "list_functions", "Functions", 1)
        self.assertEqual(([one["FunctionName"] for one in names], pages), (["judged", "other"], 2))
        self.assertEqual(lambda_.get_account_settings()["AccountUsage"]["FunctionCount"], 2)
        lambda_.delete_function(FunctionName="judged")
        self.refused("ResourceNotFoundException", lambda_.get_function, FunctionName="judged")

    def test_functions_have_versions_aliases_and_urls(self):
        lambda_ = self.lambda_
        self.function(Publish=True)
        self.assertEqual(lambda_.publish_version(FunctionName="judged")["Version"], "1")
        second = lambda_.update_function_code(
            FunctionName="judged", ZipFile=code(BOOTSTRAP + "#"), Publish=True
        )
        self.assertEqual(second["Version"], "2")
        versions, _ = self.pages(
            lambda_, "list_versions_by_function", "Versions", 1, FunctionName="judged"
        )
        self.assertEqual([one["Version"] for one in versions], ["$LATEST", "1", "2"])
        alias = lambda_.create_alias(FunctionName="judged", Name="live", FunctionVersion="1")
        self.assertEqual(alias["FunctionVersion"], "1")
        lambda_.update_alias(FunctionName="judged", Name="live", FunctionVersion="2")
        self.assertEqual(
            lambda_.get_alias(FunctionName="judged", Name="live")["FunctionVersion"], "2"
        )
        aliases = lambda_.list_aliases(FunctionName="judged")["Aliases"]
        self.assertEqual([one["Name"] for one in aliases], ["live"])
        made = lambda_.create_function_url_config(
            FunctionName="judged", Qualifier="live", AuthType="AWS_IAM", Cors={"MaxAge": 5}
        )
        url = lambda_.get_function_url_config(FunctionName="judged", Qualifier="live")
        self.assertEqual((url["FunctionUrl"], url["Cors"]), (made["FunctionUrl"], {"MaxAge": 5}))
        listed = lambda_.list_function_url_configs(FunctionName="judged")["FunctionUrlConfigs"]
        self.assertEqual([one["AuthType"] for one in listed], ["AWS_IAM"])
        lambda_.delete_function_url_config(FunctionName="judged", Qualifier="live")
        lambda_.delete_alias(FunctionName="judged", Name="live")
        lambda_.delete_function(FunctionName="judged", Qualifier="1")

    def test_functions_have_permissions_tags_and_concurrency(self):
        lambda_ = self.lambda_
        arn = self.function()["FunctionArn"]
        lambda_.add_permission(
            FunctionName="judged",
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{self.account}:x/prod/POST/y",
            SourceAccount=self.account,
        )
        (statement,) = json.loads(lambda_.get_policy(FunctionName="judged")["Policy"])["Statement"]
        self.assertEqual(statement["Principal"], {"Service": "apigateway.amazonaws.com"})
        self.assertEqual(
            statement["Condition"]["StringEquals"], {"AWS:SourceAccount": self.account}
        )
        lambda_.remove_permission(FunctionName="judged", StatementId="api")
        self.refused("ResourceNotFoundException", lambda_.get_policy, FunctionName="judged")

        lambda_.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
        lambda_.untag_resource(Resource=arn, TagKeys=["a"])
        self.assertEqual(lambda_.list_tags(Resource=arn)["Tags"], {"b": "2"})
        tagging = self.client("resourcegroupstaggingapi")
        (found,) = tagging.get_resources(ResourceTypeFilters=["lambda:function"])[
            "ResourceTagMappingList"
        ]
        self.assertEqual((found["ResourceARN"], len(found["Tags"])), (arn, 1))

        put = {"FunctionName": "judged", "ReservedConcurrentExecutions": 5}
        lambda_.put_function_concurrency(**put)
        self.assertEqual(
            lambda_.get_function_concurrency(FunctionName="judged")[
                "ReservedConcurrentExecutions"
            ],
            5,
        )
        too_many = put | {"ReservedConcurrentExecutions": 901}
        self.refused(
            "InvalidParameterValueException", lambda_.put_function_concurrency, **too_many
        )
        lambda_.put_function_concurrency(**put | {"ReservedConcurrentExecutions": 0})
        self.refused("TooManyRequestsException", lambda_.invoke, FunctionName="judged")
        lambda_.delete_function_concurrency(FunctionName="judged")

        self.assertEqual(
            lambda_.get_runtime_management_config(FunctionName="judged")["UpdateRuntimeOn"], "Auto"
        )
        lambda_.get_function_code_signing_config(FunctionName="judged")
        self.assertEqual(
            lambda_.list_event_source_mappings(FunctionName="judged")["EventSourceMappings"], []
        )
        error = self.refused(
            "ResourceNotFoundException",
            lambda_.get_function_event_invoke_config,
            FunctionName="judged",
        )
        self.assertIn("EventInvokeConfig", error["Error"]["Message"])
        # No function has one, as making one is not modelled: this is all the answer there is.
        ANSWERED.add("lambda:GetFunctionEventInvokeConfig")

    def test_functions_run(self):
        self.allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
        self.function(Environment={"Variables": {"OWN": "1"}}, Timeout=20)
        answer, first = self.invoke({"x": 1}, LogType="Tail")
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
        self.assertEqual((first["event"], first["count"]), ({"x": 1}, 1))
        environment = first["environment"]
        self.assertEqual(environment["OWN"], "1")
        self.assertNotIn("HOME", environment)
        tail = base64.b64decode(answer["LogResult"]).decode()
        self.assertRegex(tail, r"START RequestId: \S+ Version: \$LATEST\nevent 1\nEND")
        _, second = self.invoke()
        self.assertEqual((second["event"], second["count"]), ({}, 2), "the process is warm")
        self.assertEqual(
            second["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"],
            environment["AWS_LAMBDA_LOG_STREAM_NAME"],
        )
        # What it printed is in its group, written with its role.
        events = self.client("logs").get_log_events(
            logGroupName="/aws/lambda/judged",
            logStreamName=environment["AWS_LAMBDA_LOG_STREAM_NAME"],
        )["events"]
        printed = [one["message"] for one in events if one["message"].startswith("event")]
        self.assertEqual(printed, ["event 1", "event 2"])
        # Its credentials are those of its role, and lead back here.
        keys = {
            "key": environment["AWS_ACCESS_KEY_ID"],
            "secret": environment["AWS_SECRET_ACCESS_KEY"],
            "token": environment["AWS_SESSION_TOKEN"],
        }
        own = self.client("sts", **keys).get_caller_identity()["Arn"]
        self.assertEqual(own, f"arn:aws:sts::{self.account}:assumed-role/runs/judged")
        self.refused("AccessDeniedException", self.client("lambda", **keys).list_functions)
        # A change of the configuration starts another process.
        self.lambda_.update_function_configuration(FunctionName="judged", Timeout=1)
        self.assertEqual(self.invoke()[1]["count"], 1)

    def test_functions_fail_as_lambda_says(self):
        self.function(Timeout=2)
        for event, kind, message in (
            ({"errorType": "Own", "errorMessage": "no"}, "Own", "^no$"),
            ({"exit": 3}, "Runtime.ExitError", r"^RequestId: \S+ Error: .* exit status 3$"),
            (
                {"sleep": 30},
                "Sandbox.Timedout",
                r"^RequestId: \S+ Error: Task timed out after 2\.00 seconds$",
            ),
        ):
            answer, error = self.invoke(event)
            self.assertEqual((answer["StatusCode"], answer["FunctionError"]), (200, "Unhandled"))
            self.assertEqual(error["errorType"], kind)
            self.assertRegex(error["errorMessage"], message)
        self.assertEqual(self.invoke()[1]["count"], 1, "the next one starts afresh")
        self.function("none", Code={"ZipFile": code(mode=0o644)})
        self.assertEqual(self.invoke(name="none")[1]["errorType"], "Runtime.InvalidEntrypoint")
        self.refused(
            "InvalidRequestContentException",
            self.lambda_.invoke,
            FunctionName="judged",
            Payload=b"{",
        )

    def test_functions_run_side_by_side_within_their_concurrency(self):
        self.function(Timeout=20)
        self.lambda_.put_function_concurrency(
            FunctionName="judged", ReservedConcurrentExecutions=2
        )
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [pool.submit(self.invoke, {"sleep": 5}) for _ in range(3)]
        refused = [run.exception() for run in runs if run.exception()]
        (error,) = refused
        self.assertEqual(error.response["Error"]["Code"], "TooManyRequestsException")
        streams = {
            run.result()[1]["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"]
            for run in runs
            if not run.exception()
        }
        self.assertEqual(len(streams), 2)
