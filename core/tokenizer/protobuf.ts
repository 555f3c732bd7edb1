// As much of the protocol buffer wire format as a reader of one known message needs.

/** A field of a message: its number, and an integer or the bytes of what it holds. */
export interface ProtoField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/**
 * The fields of a message in the order in which they are stored.
 *
 * @throws RangeError where the bytes are no message
 */
export function* protoFields(bytes: Uint8Array): Generator<ProtoField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('it ends within an integer');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('an integer has more than ten bytes');
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError(`a field of ${length} bytes goes past the end`);
    return bytes.subarray(at, at += length);
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, kind] = [Number(key >> 3n), Number(key & 7n)];
    if (number === 0) throw new RangeError('a field has the number 0');
    if (kind === 0) yield { number, value: varint() };
    else if (kind === 1) yield { number, value: take(8) };
    else if (kind === 2) yield { number, value: take(Number(varint())) };
    else if (kind === 5) yield { number, value: take(4) };
    else throw new RangeError(`field ${number} has the wire type ${kind}`);
  }
}
