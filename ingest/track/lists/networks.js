// Writes the networks of the autonomous systems in asn.txt with their classes, as `first-last class` lines, to the
// file that it is given. It fails rather than write a list that says what nobody checked: a number that changed hands
// no longer has the name that asn.txt expects.
const fs = require('fs')
const path = require('path')

const packed = path.dirname(require.resolve('@ip-location-db/asn/package.json'))
const { name, version } = require('@ip-location-db/asn/package.json')
const errors = []

const systems = new Map()
fs.readFileSync(path.join(__dirname, 'asn.txt'), 'utf8').split('\n').forEach((text, i) => {
  const line = text.replace(/#.*/, '').trim()
  if (line === '') return
  const [, number, kind, words] = line.match(/^(\d+)\s+([a-z_]+)\s+(.+)$/) || []
  if (!words) errors.push(`asn.txt line ${i + 1}: want a number, a class and words of the name, not ${line}`)
  else if (systems.has(number)) errors.push(`asn.txt line ${i + 1}: ${number} is there twice`)
  else systems.set(number, { kind, words, networks: 0 })
})

const lines = [`# Made by networks.js from ${name} ${version}, CC BY 4.0: Route Views (routeviews.org), DB-IP (db-ip.com), NRO (nro.net); changed.`]
for (const file of ['asn-ipv4.csv', 'asn-ipv6.csv']) {
  for (const row of fs.readFileSync(path.join(packed, file), 'utf8').split('\n')) {
    const [, first, last, number, owner] = row.match(/^([^,]+),([^,]+),(\d+),(.*)$/) || []
    const system = systems.get(number)
    if (!system) continue
    if (!owner.toLowerCase().includes(system.words.toLowerCase())) errors.push(`${number} is called ${owner}, asn.txt expects ${system.words}`)
    system.networks++
    lines.push(`${first}-${last} ${system.kind}`)
  }
}
for (const [number, system] of systems) if (system.networks === 0) errors.push(`${number} (${system.words}) has no network in ${name}`)

if (errors.length > 0) {
  console.error([...new Set(errors)].join('\n'))
  process.exit(1)
}
fs.writeFileSync(process.argv[2], lines.join('\n') + '\n')
