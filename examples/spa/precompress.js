// Writes a .br and a .gz beside each file of dist/ that gets smaller by it: the gateway sends them as they are.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TEXT = /\.(html|js|css|svg|json|map|txt|wasm)$/;

for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (!entry.isFile() || !TEXT.test(path)) continue;
  const plain = readFileSync(path);
  const forms = {
    br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    gz: gzipSync(plain, { level: 9 }),
  };
  for (const [suffix, form] of Object.entries(forms)) {
    if (form.length < plain.length) writeFileSync(`${path}.${suffix}`, form);
  }
  console.log(`${path}: ${plain.length} bytes, br ${forms.br.length}, gz ${forms.gz.length}`);
}
