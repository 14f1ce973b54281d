// The DynamoDB emulator: dynalite, with five things that its own command line lacks.
// 1. Tables that a kill left half made or half deleted (dynalite would keep them so for ever) are put right at start.
// 2. Idle connections stay open longer than the 5 s of Node, so that clients' pools are of use.
// 3. SIGTERM ends it with 0 after the data is closed.
// 4. Web pages get nothing: a browser says by `Origin` where a request is from, other programs never do. dynalite would
//    let every page of the world read and delete the tables (Access-Control-Allow-Origin: *).
// 5. It wants the signature of whoever has its key (signature.js); dynalite takes any. The key is what is in the environment
//    as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A GET asks for its health only, and says nothing of the data.
// An acknowledged write survives kill -9 of this process: LevelDB hands it to the operating system before the answer.
//
//   node main.js --host 127.0.0.1 --port 8000 --path FOLDER

'use strict'

const { EventEmitter } = require('node:events')
const { parseArgs } = require('node:util')
const dynalite = require('dynalite')
const { Level } = require('level')
const { refusal } = require('./signature.js')

const TABLE_PREFIX = 'table~' // where dynalite 4 keeps its tables' descriptions
const LARGEST = 16 * 1024 * 1024 // bytes of a request, as dynalite and DynamoDB have it

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
  const key = { id: process.env.AWS_ACCESS_KEY_ID, secret: process.env.AWS_SECRET_ACCESS_KEY }
  if (!key.id || !key.secret) {
    throw new Error('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing: whose signature it is to take')
  }
  await putTablesRight(values.path)
  const server = dynalite({ path: values.path, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
  server.keepAliveTimeout = 120_000
  guard(server, key)
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

// Before dynalite: what a web page sends, what is too large, and what nobody has signed who has the key.
function guard (server, key) {
  const [answer] = server.listeners('request')
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    if ('origin' in request.headers) return refuse(response, 403, 'text/plain', 'the DynamoDB emulator answers no web page\n')
    if (request.method === 'GET') return answer(request, response)
    const pieces = []
    let length = 0
    request.on('data', (piece) => {
      length += piece.length
      if (length <= LARGEST) return pieces.push(piece)
      request.removeAllListeners('data').removeAllListeners('end')
      refuse(response, 413, 'text/plain', 'the request is larger than 16 MiB\n')
    })
    request.on('end', () => {
      const body = Buffer.concat(pieces, length)
      const why = refusal(request, body, key, Date.now())
      if (why) {
        const text = JSON.stringify({ __type: `com.amazon.coral.service#${why.type}`, message: why.message })
        return refuse(response, 400, 'application/x-amz-json-1.0', text)
      }
      const { method, url, headers } = request
      const read = Object.assign(new EventEmitter(), { method, url, headers }) // as dynalite reads a request
      answer(read, response)
      if (length) read.emit('data', body)
      read.emit('end')
    })
  })
}

// A refusal ends the connection: nothing more is read of whoever must not ask.
function refuse (response, status, type, text) {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text), Connection: 'close' })
  response.end(text)
}

function fail (error) {
  const cause = error.cause ? ` (${error.cause.message})` : ''
  console.error(`the DynamoDB emulator cannot run: ${error.message}${cause}`)
  process.exit(1)
}

main().catch(fail)
