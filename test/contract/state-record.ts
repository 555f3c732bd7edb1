/** A state that a strategy was given: that of the last of `tokens`, which stand at positions 0, 1, … */
export interface StateRecord {
  readonly tokens: Int32Array;
  readonly state: Float32Array;
}
