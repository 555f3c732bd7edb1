// Loaded before everything else by scripts/sanitize.mjs: whoever requires the addon gets the instrumented one, and processes that this one starts,
// which run the tests, get the sanitizer. The one that only deals them out stays as it is.
const Module = require('node:module');

const addon = process.env.FORETOKEN_SANITIZED_ADDON;
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return addon !== undefined && /[\\/]build[\\/]Release[\\/]foretoken\.node$/.test(request) ? addon : resolve.call(this, request, ...rest);
};

process.env.LD_PRELOAD = process.env.FORETOKEN_SANITIZE_PRELOAD ?? process.env.LD_PRELOAD ?? '';
