/**
 * For authors of strategies: the contract that every strategy keeps, tiny models to run it on, and a draft to look into.
 *
 * @packageDocumentation
 */
export { type Certificate, type ContractCheck, type ContractSubject, type StrategyContract, certificateJson, strategyContract } from './contract.js';
export { describeStrategy, type TestFramework } from './describe-strategy.js';
export { batchOf, RecordedDraft, type RecordedNode, sequenceOf } from './recorded-draft.js';
export { type TinyModelOptions, writeTinyModel } from './tiny-model.js';
