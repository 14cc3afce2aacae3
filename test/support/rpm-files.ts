/** A header as rpm writes it, with a region in front as all have. */
export function headerOf(texts: Readonly<Record<number, string>>, epoch?: number): Buffer {
  const entries: number[][] = [[63, 7, 0, 16]]
  const data: Buffer[] = [Buffer.alloc(16)]
  for (const [tag, text] of Object.entries(texts)) {
    entries.push([Number(tag), 6, Buffer.concat(data).length, 1])
    data.push(Buffer.from(`${text}\0`))
  }
  if (epoch !== undefined) {
    entries.push([1003, 4, Buffer.concat(data).length, 1])
    data.push(numbers(epoch))
  }
  return Buffer.concat([numbers(entries.length, Buffer.concat(data).length), numbers(...entries.flat()), ...data])
}

/** Each in four bytes, the highest first. */
export function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}

/** SUSE's database, by shape, as rpm's lib/backend/ndb/rpmpkg.c has it: Debian's rpm cannot make one. */
export function ndbOf(headers: readonly Buffer[]): Buffer {
  const little = (...values: readonly number[]) => numbers(...values).swap32()
  const slots: Uint8Array[] = [Buffer.concat([Buffer.from('RpmP'), little(0, 9, 1, headers.length + 1, 0, 0, 0)])]
  const blobs: Uint8Array[] = []
  let block = 256
  for (const [index, header] of headers.entries()) {
    const blocks = Math.ceil((header.length + 28) / 16)
    const rest = Buffer.alloc(blocks * 16 - header.length - 28)
    const tail = [rest, little(0, header.length), Buffer.from('BlbE')]
    blobs.push(Buffer.from('BlbS'), little(index + 1, 9, header.length), header, ...tail)
    slots.push(Buffer.from('Slot'), little(index + 1, block, blocks))
    block += blocks
  }
  while (Buffer.concat(slots).length < 4096) slots.push(Buffer.from('Slot'), little(0, 0, 0))
  return Buffer.concat([...slots, ...blobs])
}
