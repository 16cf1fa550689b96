// Runs the public suite http-cache-tests: its origin on a port of its own, then, when it is told the
// address of the cache before it, its tests. Speaks JSON, a line each: {"origin": PORT}, then {"results": …}.
//
//     node run.mjs FOLDER      FOLDER: where npm has installed the suite

import http from 'node:http'
import path from 'node:path'
import readline from 'node:readline'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const folder = path.resolve(process.argv[2])
const suite = path.join(folder, 'node_modules', 'http-cache-tests')
const part = name => import(pathToFileURL(path.join(suite, name)))
// The suite talks while it works.
console.log = console.error
const say = line => process.stdout.write(JSON.stringify(line) + '\n')

// The suite's own server listens on every address; its handlers do not care.
const handlers = {
  config: (await part('server/handle-config.mjs')).default,
  state: (await part('server/handle-state.mjs')).default,
  test: (await part('server/handle-test.mjs')).default
}
const origin = http.createServer((request, response) => {
  const [name, ...rest] = request.url.split('?')[0].split('/').slice(1)
  const handle = handlers[name]
  if (handle) return handle(rest, request, response)
  response.statusCode = 404
  response.end()
})
origin.listen(0, '127.0.0.1', () => say({ origin: origin.address().port }))

for await (const base of readline.createInterface({ input: process.stdin })) {
  const { runTests, getResults } = await part('client/runner.mjs')
  const tests = (await part('tests/index.mjs')).default
  const fetch = createRequire(path.join(suite, 'cli.mjs'))('node-fetch')
  const wanted = process.argv[3]
  if (wanted) {
    for (const group of tests) {
      group.tests = group.tests.filter(test => test.id === wanted)
      group.tests.forEach(test => { test.dump = true })
    }
  }
  // Most of a test's time is a pause: all at once takes no longer than the longest.
  await runTests(tests, fetch, false, base, 1000)
  const results = getResults()
  const all = tests.flatMap(group => group.tests).filter(test => test.id in results)
  say({
    results: all.map(test => ({
      id: test.id,
      kind: test.kind || 'required',
      // Others that it rests on.
      depends: test.depends_on || [],
      error: results[test.id] === true ? null : results[test.id].join(': ')
    }))
  })
  break
}
process.exit(0)
