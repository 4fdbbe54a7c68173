"""Made-up tasks with planted artefacts and gaps: everything that an audit may be asked, with the answers."""
