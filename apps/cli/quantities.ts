/** A number of bytes as one says it, in powers of 1024. */
export function bytesInWords(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** A count of parameters as one says it: 135M, 7.6B. */
export function countInWords(count: number): string {
  const [unit, size] = count >= 1e9 ? ['B', 1e9] as const : count >= 1e6 ? ['M', 1e6] as const : count >= 1e3 ? ['k', 1e3] as const : ['', 1] as const;
  const value = count / size;
  return `${unit === '' || value >= 100 ? Math.round(value) : value.toFixed(1)}${unit}`;
}
