package crm_test
import ("context";"fmt";"io";"testing";"time";"runtime";"dealtrail/trail";"dealtrail/ingest/crm";"os";"strings";"bufio")
func TestZZMem(t *testing.T){
 n:=1000000
 pr,pw:=io.Pipe()
 go func(){ w:=bufio.NewWriter(pw); fmt.Fprintln(w,"id,name,account,domain,amount,currency,stage,status,owner,created_at,closed_at,loss_reason,contacts")
  for i:=range n { fmt.Fprintf(w,"D-%d,Deal %d,Acme %d,acme%d.example,\"%d,000.50\",EUR,Contract,won,rep%d@northwind.example,2026-01-02,2026-03-01 10:00,,p%d@acme.example;q%d@acme.example\n",i,i,i%5000,i%5000,i%900+1,i%8,i%200000,i%300000)}
  w.Flush(); pw.Close()}()
 ev:=0
 im:=&crm.Importer{Emit:func(_ context.Context,e ...trail.Event)error{ev+=len(e);return nil},States:func(context.Context,trail.Kind,[]string)(map[string]trail.State,error){return nil,nil},Contacts:key,Dir:t.TempDir()}
 s:=time.Now()
 r,err:=im.Import(context.Background(),"deals","",pr,false)
 if err!=nil{t.Fatal(err)}
 var m runtime.MemStats; runtime.ReadMemStats(&m)
 b,_:=os.ReadFile("/proc/self/status")
 for _,l:=range strings.Split(string(b),"\n"){ if strings.HasPrefix(l,"VmHWM"){t.Log(l)}}
 t.Log(time.Since(s), r.New, ev, m.Sys>>20)
}
