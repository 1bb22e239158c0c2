// Onboards a person with a client generated from the description of the API:
// BASE and KEY say where and as whom.
import createClient from "openapi-fetch";
import { setTimeout } from "node:timers/promises";
import type { paths } from "./schema.js";

const client = createClient<paths>({
  baseUrl: process.env.BASE ?? "",
  headers: { apikey: process.env.KEY ?? "" },
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The data of an answer, or an error with its status. Its body may be personal. */
function ok<T>(what: string, { data, error, response }: Answer<T>): NonNullable<T> {
  if (error !== undefined || data === undefined || data === null) {
    throw new Error(`${what}: status ${response.status}`);
  }
  return data;
}

/** Asks until the answer is there, at most a minute. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end; await setTimeout(50)) {
    const answer = await ask();
    if (answer !== undefined) {
      return answer;
    }
  }
  throw new Error(`${what}: not within a minute`);
}

const profile = ok("create", await client.POST("/profiles", {
  body: {
    role: "INDIVIDUAL_CUSTOMER",
    collected_data: {
      entity_type: "INDIVIDUAL",
      personal_details: { name: { given_names: ["Kim"], family_name: "Doe" }, dob: "1990-02-28" },
    },
    applications: [{ product: { alias: "gold_account" } }],
  },
}));
const inProfile = { path: { profile_id: profile.id! } };
console.log("created");

// Change what is there, under the ETag that it was read with.
const read = await client.GET("/profiles/{profile_id}/collected_data", { params: inProfile });
const data = ok("read", read);
ok("write", await client.POST("/profiles/{profile_id}/collected_data", {
  params: { ...inProfile, header: { "If-Match": read.response.headers.get("etag") ?? "" } },
  body: { ...data, customer_ref: "C-1042" },
}));
const late = await client.POST("/profiles/{profile_id}/collected_data", {
  params: { ...inProfile, header: { "If-Match": read.response.headers.get("etag") ?? "" } },
  body: data,
});
if (late.response.status !== 412) {
  throw new Error(`a stale write: status ${late.response.status}`);
}
console.log("completed");

const started = ok("check", await client.POST("/profiles/{profile_id}/checks", {
  params: { ...inProfile, query: { mode: "async" } },
  body: { check_type: "IDENTITY_CHECK" },
}));
const check = await until("the check", async () => {
  const now = ok("check", await client.GET("/profiles/{profile_id}/checks/{check_id}", {
    params: { path: { ...inProfile.path, check_id: started.id! } },
  }));
  return now.state === "COMPLETE" ? now : undefined;
});
console.log("checked:", check.decision);

const application = await until("the application", async () => {
  const [first] = ok("applications", await client.GET("/profiles/{profile_id}/applications", { params: inProfile }));
  return first?.flag === "READY_FOR_DECISION" ? first : undefined;
});
const decided = ok("approve", await client.POST("/profiles/{profile_id}/applications/{application_id}", {
  params: { path: { ...inProfile.path, application_id: application.id! } },
  body: { status: "APPROVED" },
}));
console.log("decided:", decided.status);
