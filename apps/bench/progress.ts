/** A bar on a terminal; nothing elsewhere. */
export class ProgressBar {
  private readonly startedAt = performance.now();

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {}

  show(done: number, total: number, label: string): void {
    if (!this.stream.isTTY) return;
    const width = 24, filled = Math.round((width * done) / total);
    const leftMs = done === 0 ? undefined : ((performance.now() - this.startedAt) / done) * (total - done);
    const line = `[${'█'.repeat(filled)}${'░'.repeat(width - filled)}] ${done}/${total}${leftMs === undefined ? '' : ` · ${Math.ceil(leftMs / 1000)} s left`} · ${label}`;
    this.stream.write(`\r\x1b[K${line.slice(0, (this.stream.columns || 80) - 1)}`);
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.stream.isTTY) this.stream.write('\r\x1b[K');
  }
}
