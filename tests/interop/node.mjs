// The other implementation: js-libp2p's Kademlia and the `ipns` package, driven by the tests.
//
// One JSON object a line, on standard input {"id", "do", …}, on standard output {"id", "ok"} or
// {"id", "error"}; bytes are hexadecimal. It ends with its input.

import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createIPNSRecord, marshalIPNSRecord, multihashToIPNSRoutingKey } from 'ipns'
import { ipnsSelector } from 'ipns/selector'
import { ipnsValidator } from 'ipns/validator'
import { createLibp2p } from 'libp2p'

// What libp2p takes for granted, and Node.js before 19 and before 22 lacks.
globalThis.crypto ??= webcrypto
globalThis.CustomEvent ??= class extends Event {
  constructor (type, { detail = null, ...options } = {}) {
    super(type, options)
    this.detail = detail
  }
}
Promise.withResolvers ??= function () {
  const all = {}
  all.promise = new this((resolve, reject) => Object.assign(all, { resolve, reject }))
  return all
}

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'))
const hex = (bytes) => Buffer.from(bytes).toString('hex')

let node

// The last event of a query that is of this kind. An answer that is not valid is an error.
const last = async (query, name) => {
  let found
  for await (const event of query) {
    if (event.name === 'QUERY_ERROR') throw event.error
    if (event.name === name) found = event
  }
  return found
}

const actions = {
  // A node of the DHT under this protocol.
  listen: async ({ address, protocol }) => {
    node = await createLibp2p({
      addresses: { listen: [address] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({
          protocol,
          clientMode: false,
          validators: { ipns: ipnsValidator },
          selectors: { ipns: ipnsSelector },
          peerInfoMapper: passthroughMapper,
          allowQueryWithZeroPeers: true
        })
      }
    })
    return node.getMultiaddrs().map(String)
  },
  dial: async ({ address }) => String((await node.dial(multiaddr(address))).remotePeer),
  // How many others it knows.
  nodes: () => node.services.dht.routingTable.size,
  put: async ({ key, value }) => {
    await last(node.services.dht.put(bytes(key), bytes(value)))
  },
  get: async ({ key }) => {
    const found = await last(node.services.dht.get(bytes(key)), 'VALUE')
    return found == null ? null : hex(found.value)
  },

  // Without a node: the records alone.
  validate: async ({ key, value }) => { await ipnsValidator(bytes(key), bytes(value)) },
  select: ({ key, values }) => ipnsSelector(bytes(key), values.map(bytes)),
  create: async ({ seed, sequence, lifetime, v1Compatible }) => {
    const name = await generateKeyPairFromSeed('Ed25519', bytes(seed))
    const record = await createIPNSRecord(name, '/ipfs/bafkqaaa', sequence, lifetime, { v1Compatible })
    return {
      key: hex(multihashToIPNSRoutingKey(name.publicKey.toMultihash())),
      value: hex(marshalIPNSRecord(record))
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: action, ...what } = JSON.parse(line)
  Promise.resolve()
    .then(() => actions[action](what))
    .then((ok) => ({ id, ok: ok ?? null }), (error) => ({ id, error: String(error) }))
    .then((message) => console.log(JSON.stringify(message)))
}
process.exit()
