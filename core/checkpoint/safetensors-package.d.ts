// The package `safetensors` ships no types.
declare module 'safetensors' {
  class SafeTensor {
    constructor(file: Uint8Array);
    readonly metadata: Map<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
    getTensor(name: string): Uint8Array;
  }
  const library: { readonly SafeTensor: typeof SafeTensor };
  export default library;
}
