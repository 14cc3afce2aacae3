import type { ImageDiff } from '../engine/diff.ts'
import { printable } from '../model/quote.ts'
import { bytesText } from '../model/size.ts'
import { filesLine, packageText, signed, versionText } from '../postgres/comparison-lines.ts'
import { shownPath } from '../postgres/finding.ts'
import { columns } from './output.ts'

/** For people: what it means first, then every file. */
export function diffText(diff: ImageDiff): string[] {
  return [...summary(diff), ...fileLines(diff)]
}

/** Of a comment on a pull request, of which GitHub takes 65,536 characters. */
const maxShown = 40_000

/**
 * A comment for a pull request. Whatever images wrote stands in fenced blocks, whose fences are longer than any run of
 * backticks in them, so that it is no markup, no link and no mention of anybody.
 */
export function diffMarkdown(diff: ImageDiff): string[] {
  const files = fileLines(diff)
  let length = 0
  const shown = files.filter((line) => {
    length += line.length + 1
    return length <= maxShown
  })
  const more = files.length > shown.length ? [`and ${files.length - shown.length} more`] : []
  return [
    `### Postgres ${diff.kind}: ${diff.isSame ? 'the same files' : diff.impact.kind}`,
    '',
    ...fenced(summary(diff)),
    ...(files.length === 0
      ? []
      : [
          '',
          `<details><summary>Files: ${filesLine(diff.files)}</summary>`,
          '',
          ...fenced([...shown, ...more], 'diff'),
          '',
          '</details>',
        ]),
  ]
}

function summary(diff: ImageDiff): string[] {
  const { impact, versions, files, newBytes, wireBytes, requires, preload, sorting, packages, findings } = diff
  const wire =
    newBytes === 0 ? 'no new content' : `about ${bytesText(wireBytes)} (${bytesText(newBytes)} of new content)`
  return columns([
    ['old', [`${diff.old.reference} ${diff.old.image.slice(diff.old.image.lastIndexOf('@') + 1)}`]],
    ['new', [`${diff.new.reference} ${diff.new.image.slice(diff.new.image.lastIndexOf('@') + 1)}`]],
    ['impact', [`${impact.kind}: ${impact.why}`]],
    ['versions', versions.map(versionText)],
    ['requires', [signed(requires)].filter((line) => line !== '')],
    ['preload', preload.length > 0 ? [preload.join(', ')] : []],
    ['sorting', sorting === undefined ? [] : [sorting]],
    ['packages', packages.map(packageText)],
    [
      'findings',
      findings.map(({ severity, id, fact, against, advice }) => `${severity} ${id}: ${fact}; ${against}; ${advice}`),
    ],
    ['wire', [wire]],
    ['files', [filesLine(files)]],
  ])
}

function fileLines({ files }: ImageDiff): string[] {
  const marked = (mark: string, paths: readonly string[]) =>
    paths.map((path) => printable(`${mark} ${shownPath(path)}`, 4200))
  return [...marked('~', files.changed), ...marked('+', files.added), ...marked('-', files.removed)]
}

function fenced(lines: readonly string[], language = 'text'): string[] {
  const runs = lines.flatMap((line) => line.match(/`+/g) ?? [])
  const fence = '`'.repeat(Math.max(3, ...runs.map((run) => run.length + 1)))
  return [`${fence}${language}`, ...lines, fence]
}
