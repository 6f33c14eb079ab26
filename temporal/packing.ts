import type { Payload, PayloadCodec } from "@temporalio/common";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";

/** Smaller payloads stay as they are, so that the server's own page shows them. */
const leastBytes = 2 ** 16;

const packedEncoding = "binary/trueline-gzip";
/** Metadata that hold the encoding of what is packed. */
const within = "packed-encoding";

/** Packs large payloads, such as the plan of a sweep with hundreds of stages: the server takes none above 2 MiB. */
export const packing: PayloadCodec = {
  encode: (payloads) => Promise.all(payloads.map(packed)),
  decode: (payloads) => Promise.all(payloads.map(unpacked)),
};

async function packed(payload: Payload): Promise<Payload> {
  const { metadata, data } = payload;
  const encoding = metadata?.["encoding"];
  if (!encoding || !data || data.length < leastBytes) return payload;
  return { metadata: { ...metadata, encoding: Buffer.from(packedEncoding), [within]: encoding }, data: await promisify(gzip)(data) };
}

async function unpacked(payload: Payload): Promise<Payload> {
  const { [within]: encoding, ...metadata } = payload.metadata ?? {};
  if (!encoding || !payload.data || Buffer.from(metadata["encoding"] ?? []).toString() !== packedEncoding) return payload;
  return { metadata: { ...metadata, encoding }, data: await promisify(gunzip)(payload.data) };
}
