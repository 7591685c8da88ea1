// Calls Amazon Rekognition with the AWS SDK for JavaScript v3, as its standard input asks.
//
// A line in is a JSON object: {"call": "DescribeProjects", "input": {...}}, {"wait": "ProjectVersionRunning",
// "input": {...}} or {"paginate": "DescribeProjects", "size": 1, "input": {...}}; "credentials" may name other ones
// than the environment's. A line out is {"answer": ..., "attempts": n} or {"error": {name, message, typed, status}}.
// Bytes come in as {"$base64": "..."}; dates go out as {"$date": "..."}, so that a number is not taken for one.

import { createInterface } from "node:readline";
import * as sdk from "@aws-sdk/client-rekognition";

const SECONDS = { minDelay: 1, maxDelay: 1, maxWaitTime: 120 };

function outgoing(_, value) {
  return value?.$base64 === undefined ? value : Buffer.from(value.$base64, "base64");
}

function incoming(key, value) {
  return this[key] instanceof Date ? { $date: this[key].toISOString() } : value;
}

async function perform({ call, wait, paginate, size, input, credentials }) {
  const client = new sdk.RekognitionClient(credentials ? { credentials } : {});
  try {
    if (wait) {
      const { state } = await sdk[`waitUntil${wait}`]({ client, ...SECONDS }, input);
      return { answer: { state } };
    }
    if (paginate) {
      const pages = [];
      for await (const page of sdk[`paginate${paginate}`]({ client, pageSize: size }, input)) pages.push(page);
      return { answer: { pages } };
    }
    const { $metadata, ...answer } = await client.send(new sdk[`${call}Command`](input));
    return { answer, attempts: $metadata.attempts };
  } catch (error) {
    const typed = sdk[error.name] !== undefined && error instanceof sdk[error.name];
    const status = error.$metadata?.httpStatusCode;
    return { error: { name: error.name, message: error.message, typed, status } };
  } finally {
    client.destroy();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const done = await perform(JSON.parse(line, outgoing));
  process.stdout.write(`${JSON.stringify(done, incoming)}\n`);
}
