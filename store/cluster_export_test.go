package store

// OnCluster is what a cluster is told for a file of schema/ or view/.
func OnCluster(name, database, file string) ([]string, error) {
	return ClusterStatements(name, database, readTexts().expand(readFile(file)))
}

// ClusterStatements is what a cluster is told for a statement.
func ClusterStatements(name, database, statement string) ([]string, error) {
	return cluster{name, database}.statements(statement)
}

// LayoutsOf is how a cluster is asked for the layouts.
func LayoutsOf(name, database string) string {
	return cluster{name, database}.layouts(readTexts().query["Layouts"])
}
