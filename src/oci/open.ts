import type { LayoutReference, Reference } from '../model/reference.ts'
import { archiveFiles } from './archive-files.ts'
import { bundleSource, eitherSource } from './bundle.ts'
import { dockerArchiveSource } from './docker-archive.ts'
import type { Environment } from './environment.ts'
import { folderFiles } from './folder-files.ts'
import { layoutSource } from './layout.ts'
import { mirroredSource } from './mirrored.ts'
import type { Source } from './source.ts'

/** The only place where sources are chosen. */
export function openSource(reference: Reference, environment: Environment = {}): Source {
  const { bundle } = environment
  if (reference.transport !== 'registry')
    return bundle ? eitherSource(openLayout(reference), bundleSource(bundle, reference)) : openLayout(reference)
  return bundle ? bundleSource(bundle, reference) : mirroredSource(reference, environment)
}

function openLayout({ transport, path }: LayoutReference): Source {
  switch (transport) {
    case 'oci':
      return layoutSource(folderFiles(path))
    case 'oci-archive':
      return layoutSource(archiveFiles(path, transport))
    case 'docker-archive':
      return dockerArchiveSource(archiveFiles(path, transport))
  }
}
