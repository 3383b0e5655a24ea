package synth

var firstNames = []string{
	"Ada", "Amir", "Anneke", "Bruno", "Carla", "Chidi", "Dagny", "Dario", "Elif", "Emil", "Farah", "Felix", "Greta", "Hamid", "Ilse", "Ivo", "Jana", "Jonas", "Kavya", "Kofi",
	"Lena", "Luca", "Maren", "Mateo", "Nadia", "Nils", "Olga", "Oscar", "Petra", "Priya", "Quentin", "Rosa", "Samir", "Signe", "Tarek", "Tilda", "Uma", "Vera", "Wanda", "Yusuf",
}

var lastNames = []string{
	"Abbot", "Almeida", "Baptiste", "Berger", "Castell", "Dahl", "Demir", "Engel", "Falk", "Fontaine", "Gruber", "Haddad", "Holm", "Iversen", "Jansen", "Kaur", "Keller", "Kowal",
	"Lindqvist", "Lorenz", "Marchetti", "Mensah", "Moreau", "Nowak", "Okafor", "Oliveira", "Pereira", "Quist", "Raman", "Ricci", "Sandoval", "Seidel", "Sorensen", "Tanaka",
	"Thorne", "Urban", "Vidal", "Weiss", "Yilmaz", "Zeller",
}

var companyFirst = []string{
	"Alder", "Amber", "Anchor", "Basalt", "Birch", "Cedar", "Cobalt", "Copper", "Crane", "Delta", "Eastgate", "Falcon", "Fjord", "Granite", "Harbour", "Hazel", "Heron", "Indigo",
	"Juniper", "Kestrel", "Larch", "Linden", "Marble", "Meadow", "Mistral", "Northfield", "Oak", "Onyx", "Osprey", "Pine", "Quarry", "Raven", "Ridge", "Rowan", "Sable", "Slate",
	"Summit", "Teal", "Thistle", "Umber", "Vale", "Willow",
}

var companySecond = []string{
	"Bakeries", "Bearings", "Breweries", "Castings", "Chemicals", "Cold Storage", "Components", "Dairy", "Energy", "Engines", "Foods", "Freight", "Furniture", "Glass", "Logistics",
	"Marine", "Metals", "Mills", "Packaging", "Paper", "Pharma", "Plastics", "Pumps", "Rail", "Shipping", "Steel", "Textiles", "Timber", "Tools", "Valves",
}

var projects = []string{"pilot", "first plant", "roll-out", "second line", "group licence", "replacement", "expansion", "three sites"}

var jobs = []struct{ title, role string }{
	{"Head of Operations", "champion"},
	{"Plant Manager", "user"},
	{"Chief Financial Officer", "economic buyer"},
	{"Head of IT", "technical buyer"},
	{"Purchasing Manager", "purchasing"},
	{"Managing Director", "decision maker"},
	{"Maintenance Lead", "champion"},
	{"Data Protection Officer", "legal"},
}

var lossReasons = []string{"no budget", "no decision", "went with a competitor", "price", "missing function", "project stopped"}

var notes = []string{
	"Shared it with the whole team before the call.", "Asked for the same in German.", "Finance wants the numbers behind it.", "Said it answered the question that was open.",
	"Did not find the part about integrations.", "Will show it to the board on Thursday.", "Thinks it is too long.", "Compares it with a competitor's sheet.",
}
