// GPT-2's byte alphabet: every byte is a printable character, so that a byte-level piece is an ordinary string.

/** Whether a decoder, as `tokenizer.json` describes it, only joins the bytes of its pieces. */
export function decodesBytes(decoder: unknown): boolean {
  const { type, decoders } = (decoder ?? {}) as { readonly type?: unknown; readonly decoders?: readonly unknown[] };
  if (type === 'ByteLevel') return true;
  if (type !== 'Sequence' || !Array.isArray(decoders)) return false;
  const types = decoders.map((each) => (each as { type?: unknown } | null)?.type);
  return types[0] === 'ByteLevel' && types.slice(1).every((each) => each === 'Fuse');
}

/** Bytes of a piece; one with a character outside the alphabet stands for its own UTF-8. */
export function bytesOfPiece(piece: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of piece) {
    const byte = BYTE_OF.get(character);
    if (byte === undefined) return unmappedBytes(piece);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** UTF-8 of text that was never mapped, such as the content of an added token. */
export function unmappedBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const BYTE_OF: ReadonlyMap<string, number> = byteAlphabet();

/** Printable Latin-1 stands for itself; the other 68 bytes, in order, for the characters from U+0100. */
function byteAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    alphabet.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return alphabet;
}
