// The DynamoDB emulator: dynalite, with four things that its own command line lacks.
// 1. Tables that a kill left half made or half deleted (dynalite would keep them so for ever) are put right at start.
// 2. Idle connections stay open longer than the 5 s of Node, so that clients' pools are of use.
// 3. SIGTERM ends it with 0 after the data is closed.
// 4. Web pages get nothing: a browser says by `Origin` where a request is from, other programs never do. dynalite would
//    let every page of the world read and delete the tables (Access-Control-Allow-Origin: *).
// An acknowledged write survives kill -9 of this process: LevelDB hands it to the operating system before the answer.
//
//   node main.js --host 127.0.0.1 --port 8000 --path FOLDER

'use strict'

const { parseArgs } = require('node:util')
const dynalite = require('dynalite')
const { Level } = require('level')

const TABLE_PREFIX = 'table~' // where dynalite 4 keeps its tables' descriptions

// Makes half made tables ACTIVE and removes half deleted ones.
async function putTablesRight (path) {
  const db = new Level(path, { valueEncoding: 'json' })
  await db.open()
  for await (const [key, table] of db.iterator({ gte: TABLE_PREFIX, lt: TABLE_PREFIX + '\xff' })) {
    if (table.TableStatus === 'DELETING') {
      await db.del(key)
      console.log(`table ${table.TableName}: deletion completed`)
    } else if (table.TableStatus !== 'ACTIVE') {
      await db.put(key, { ...table, TableStatus: 'ACTIVE' })
      console.log(`table ${table.TableName}: was ${table.TableStatus}, now ACTIVE`)
    }
  }
  await db.close()
}

async function main () {
  const { values } = parseArgs({
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8000' },
      path: { type: 'string' },
    },
  })
  if (!values.path) throw new Error('--path is missing: the folder that keeps the data')
  await putTablesRight(values.path)
  const server = dynalite({ path: values.path, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
  server.keepAliveTimeout = 120_000
  refusePages(server)
  server.on('error', fail)
  server.listen(Number(values.port), values.host, () => {
    console.log(`DynamoDB emulator at http://${values.host}:${server.address().port}, data in ${values.path}`)
  })
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      server.close((error) => error ? fail(error) : process.exit(0))
      server.closeIdleConnections()
      // Connections in use would hold the end up: they are cut once their requests are answered.
      setInterval(() => server.closeIdleConnections(), 50).unref()
    })
  }
}

function refusePages (server) {
  const [answer] = server.listeners('request')
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    if (!('origin' in request.headers)) return answer(request, response)
    response.writeHead(403, { 'Content-Type': 'text/plain', Connection: 'close' })
    response.end('the DynamoDB emulator answers no web page\n')
  })
}

function fail (error) {
  const cause = error.cause ? ` (${error.cause.message})` : ''
  console.error(`the DynamoDB emulator cannot run: ${error.message}${cause}`)
  process.exit(1)
}

main().catch(fail)
